"""The bench of models that memory does not hold."""
