"""Prunescope: what can go from a transformer, what it costs, and a pruned model that loads."""

__version__ = "0.1.0"
