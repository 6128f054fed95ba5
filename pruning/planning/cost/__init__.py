"""What a plan saves: bytes in every storage form, and milliseconds measured or estimated."""
