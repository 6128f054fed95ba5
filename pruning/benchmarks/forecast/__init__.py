"""The bench of the forecast: the recipes it draws, and what it measures of them."""
