"""Models on disk: loading, converting, the demo model, saving and the model card."""
