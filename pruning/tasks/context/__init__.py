"""What tasks share: the model's groups, text and statistics, and applying a plan to it."""
