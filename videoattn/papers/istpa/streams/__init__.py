"""The paper's second study: streams of appearance and motion, with a camera that moves, and their fusions."""
