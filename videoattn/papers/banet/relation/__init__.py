"""The paper's second study: self-attention alone, on pairs of marks that only a module between the places relates."""
