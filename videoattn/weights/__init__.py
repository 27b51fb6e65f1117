"""From files of others to networks."""
