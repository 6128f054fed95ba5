"""Everything that holds a model: it reads, scores, prunes, measures and trains weights."""
