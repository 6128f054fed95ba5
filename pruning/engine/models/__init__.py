"""Models on disk: loading, converting, the demo model."""
