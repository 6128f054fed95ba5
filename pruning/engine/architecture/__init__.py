"""What a model consists of: groups and units of weights, traced; forward passes over its layers."""
