"""The glossary's document and the words on pages are one."""

import subprocess
import sys
from pathlib import Path

from pruning.ui.text import labels
from pruning.ui.text.glossary import glossary

ROOT = Path(__file__).resolve().parents[3]


def test_the_document_is_what_the_labels_make() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert text == glossary(), "run: python -m pruning.ui.text.glossary > docs/glossary.md"


def test_every_word_has_the_fields_term() -> None:
    assert set(labels.TERMS) == set(labels.GLOSSARY)
    for word, meaning in labels.GLOSSARY.items():
        assert f"| {word} | {labels.TERMS[word]} | {meaning} |" in glossary()


def test_it_is_printed_without_streamlit() -> None:
    code = (
        "import runpy, sys; runpy.run_module('pruning.ui.text.glossary', run_name='__main__'); "
        "assert 'streamlit' not in sys.modules"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert printed.stdout.decode() == glossary()
