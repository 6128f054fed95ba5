"""Everything about a plan that needs no model: recipes, costs, forecasts and allocation; no torch."""
