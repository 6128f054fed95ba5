"""The Sensitivity page: the map, the sweep, the capabilities and the criteria compared."""
