"""From trained networks to scores, metrics and intervals."""
