"""A short text for the tests, written to a file as a user's would be."""

from pathlib import Path

WORDS = "The river had risen over the path and the {} boats knocked against the wall, {} times an hour. "


def write_text(path: Path, paragraphs: int = 40) -> str:
    """Write that many paragraphs, no two alike; returns the path as a string."""
    path.write_text("\n\n".join(WORDS.format(n, n * n) * 4 for n in range(paragraphs)))
    return str(path)
