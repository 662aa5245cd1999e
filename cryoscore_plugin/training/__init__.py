"""How a checkpoint is made."""
