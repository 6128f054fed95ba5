"""The Optimize page: the best plan for given targets."""
