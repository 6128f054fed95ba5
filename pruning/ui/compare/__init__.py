"""The Compare page: candidates side by side, and their answers."""
