"""Writing a pruned model as an ONNX graph that onnxruntime runs, with a cache."""
