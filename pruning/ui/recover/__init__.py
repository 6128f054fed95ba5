"""The Recover page: training after pruning, progressive pruning and lottery tickets."""
