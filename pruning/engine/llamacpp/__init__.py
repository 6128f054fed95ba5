"""llama.cpp as an engine that opens GGUF files, in a process of its own."""
