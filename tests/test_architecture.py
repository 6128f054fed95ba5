"""Arrows run one way. What import-linter cannot see is checked here: scripts, and what really gets loaded."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
# An engine module is named by a page only for data and words that need no torch.
PAGES_MAY_NAME = (
    "pruning.ui",
    "pruning.planning.recipe",
    "pruning.errors",
    "pruning.resources",
    "pruning.workspace.task_registry",
)


def imported(path):
    """Every module that a file imports, also inside functions; `from a import b` counts as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_call_the_engine_only_through_the_ui(path):
    modules = set(imported(path))
    assert "torch" not in {module.split(".")[0] for module in modules}
    named = {module for module in modules if module.startswith("pruning.")}
    assert named, "a page that uses nothing of pruning.ui does its own work"
    assert all(module.startswith(PAGES_MAY_NAME) for module in named)


def test_streamlit_is_imported_by_the_ui_alone():
    names = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pruning").rglob("*.py")
        if any(module.split(".")[0] == "streamlit" for module in imported(path))
    }
    assert names
    assert all(name.startswith("pruning/ui/") for name in names)


def test_one_file_imports_ray():
    names = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pruning").rglob("*.py")
        if any(module.split(".")[0] == "ray" for module in imported(path))
    ]
    assert names == ["pruning/tasks/cluster/ray_cluster.py"]


@pytest.mark.parametrize(
    "statement",
    [
        "import pruning.ui, pkgutil, importlib\n"
        "for m in pkgutil.walk_packages(pruning.ui.__path__, 'pruning.ui.'): importlib.import_module(m.name)",
        "import pruning.jobs, pruning.workspace.store, pruning.model_files.preview\n"
        "import pruning.cli.reference.command_line",
        "import pruning.planning.forecast.predict, pruning.planning.recipe.plan, "
        "pruning.planning.recipe.recipe, pruning.resources",
        "import pruning.cli",
    ],
)
def test_what_the_dashboard_loads_holds_no_torch(statement):
    heavy = "{'torch', 'transformers', 'datasets'} & set(sys.modules)"
    code = f"import sys\n{statement}\nfound = {heavy}\nprint(sorted(found)); sys.exit(bool(found))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_carries_the_dashboard_and_its_data(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("prunescope-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = [
        path.relative_to(ROOT).as_posix()
        for folder in ("pages", "assets", ".streamlit")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {f"pruning/_app/{name}" for name in ["app.py", *tracked]} <= inside
    assert "pruning/planning/recipe/plan.py" in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
