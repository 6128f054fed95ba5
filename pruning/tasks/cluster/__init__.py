"""Pieces of tasks done by the workers of a Ray cluster."""
