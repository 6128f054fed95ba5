"""Structured pruning: which units, refitting what is kept, and smaller tensors."""
