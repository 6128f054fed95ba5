"""The bench of mixed plans."""
