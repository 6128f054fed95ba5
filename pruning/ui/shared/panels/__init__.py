"""Three linked panels of quality against size and time: the points, the axes, the figure on a page."""
