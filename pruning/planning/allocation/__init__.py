"""Which group gets which sparsity: the choice table, the solver and its baselines."""
