"""Where the dashboard's script and the shipped data are: beside the package, or inside an installed wheel."""

from pathlib import Path

from pruning.errors import PruningError

_PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """A file or folder of `assets/`, such as "probes.jsonl". Raises PruningError when it is not there."""
    return _find(f"assets/{name}")


def app_file() -> Path:
    """The script that `streamlit run` takes; `.streamlit/config.toml` and `pages/` stand beside it."""
    return _find("app.py")


def _find(name: str) -> Path:
    source = _PACKAGE.parent
    # Only a source tree has this file beside the package: a stray app.py in site-packages is not ours.
    roots = [source] if (source / "pyproject.toml").is_file() else []
    for root in (*roots, _PACKAGE / "_app"):
        if (root / name).exists():
            return root / name
    raise PruningError(f'Prunescope\'s own file "{name}" is missing. Install it again.')
