"""Pruning whole units: which ones, refitting what is kept, and smaller tensors."""
