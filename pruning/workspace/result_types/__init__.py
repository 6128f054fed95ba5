"""What tasks return and the workspace keeps: each key, with a word on it."""
