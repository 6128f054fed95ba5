"""Algebra on matrices alone, no model: Cholesky factors, Optimal Brain Surgeon, least squares."""
