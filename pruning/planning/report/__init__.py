"""Files for others to read: the presentation in plain words, and the report of an export. Pure functions."""
