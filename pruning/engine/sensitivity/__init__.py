"""How much each group matters: the map forecasts it, the sweep measures it."""
