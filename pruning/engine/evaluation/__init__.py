"""What a pruned model is worth: quality, generation, size and time."""
