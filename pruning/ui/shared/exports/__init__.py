"""In which forms the plan in view can be written, on every page where it is edited."""
