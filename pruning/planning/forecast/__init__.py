"""From a sensitivity map and a plan to a forecast of the KL, with its fit and diagnostics."""
