"""The Methods page: methods measured on this model, early exit and quantization."""
