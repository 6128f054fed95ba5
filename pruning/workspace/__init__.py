"""The workspace on disk: the SQLite store, its runs and the reading of its results; no torch."""
