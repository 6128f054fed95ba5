"""What model files say before a weight is read: checkpoints, the hub, previews; no torch."""
