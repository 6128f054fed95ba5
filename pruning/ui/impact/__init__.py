"""The Impact page: what the guide claims beside what was measured here."""
