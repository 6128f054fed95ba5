"""Benchmarks of the map, the forecast, the methods, the solver, latency and the dashboard."""
