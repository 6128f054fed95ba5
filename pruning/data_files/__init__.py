"""Text as people have it: files of many kinds, data sets of the hub, and mixtures of them."""
