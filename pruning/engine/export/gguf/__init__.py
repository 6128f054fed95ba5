"""A model as a GGUF file, which counts only once llama.cpp has loaded it and agrees."""
