"""Words that go with numbers, for every sentence that people read: pages, commands, errors."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number of things: 1 → "1 thread", 2 → "2 threads", 1,200 → "1,200 threads".

    `plural` is for nouns that take more than an s: `counted(2, "copy", "copies")`.
    """
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
