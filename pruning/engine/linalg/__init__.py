"""Algebra on matrices alone: Optimal Brain Surgeon and least squares, no model needed."""
