"""The Explore page: a plan by hand, its forecast, presets and the forecast's calibration."""
