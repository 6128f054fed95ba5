"""Training what is kept after pruning: trainer, student, losses and checkpoints."""
