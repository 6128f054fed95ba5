"""How models stand in GGUF files: families, layouts, tensors and numbers; and opening what was written."""
