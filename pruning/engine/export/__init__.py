"""Writing a pruned model in the forms that other programs read; each is loaded again before it is there."""
