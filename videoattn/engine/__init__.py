"""Training: the notebook's parameters, recipes, the loop and its checkpoints."""
