"""The bench that measures what pages show until users have measured for themselves."""
