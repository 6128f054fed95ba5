"""The first view: what this is, the demo, and a first look at a smaller model."""
