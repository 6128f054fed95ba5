"""docs/glossary.md from the words that pages use.

`python -m pruning.ui.text.glossary > docs/glossary.md` writes it; a test fails where it is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pruning.ui.text import labels


def glossary() -> str:
    """The whole document: words with the field's terms, figures, kinds of group, criteria."""
    words = [(word, labels.TERMS[word], meaning) for word, meaning in labels.GLOSSARY.items()]
    figures = [(name, term, meaning) for name, (term, meaning) in labels.FIGURES.items()]
    kinds = [(label, f"`{kind}`") for kind, label in labels.KIND.items()]
    criteria = [
        (labels.CRITERION_NAME[name], f"`{name}`", _sentence(text)) for name, text in labels.CRITERION.items()
    ]
    parts = [
        "# Glossary",
        "Pages use plain words; code and papers use the field's terms. This file is made by "
        "`python -m pruning.ui.text.glossary` from the words that the dashboard shows.",
        "## Words",
        _table(("word", "in the literature", "meaning"), words),
        "## Figures",
        _table(("on pages", "in the literature", "meaning"), figures),
        "## Kinds of group",
        _table(("on pages", "in plans and commands"), kinds),
        "## Criteria",
        _table(("on pages", "in recipes and commands", "how it scores a weight"), criteria),
    ]
    return "\n\n".join(parts) + "\n"


def _sentence(label: str) -> str:
    """What stands after the name in a label: "Wanda: a weight's size" → "a weight's size"."""
    return label.partition(": ")[2]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    print(glossary(), end="")
