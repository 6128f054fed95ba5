"""Which single weights are pruned, how the others compensate, and undoing it bit for bit."""
