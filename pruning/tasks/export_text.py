"""Writing a recipe in words instead of a model: as YAML, as a script, as another program's recipe."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pruning.engine.architecture.groups import Part
from pruning.engine.export.new_folder import new_folder
from pruning.errors import PruningError
from pruning.planning.exports import llm_compressor
from pruning.planning.exports import script as scripts
from pruning.planning.exports.targets import CANNOT, Wanted, light
from pruning.planning.exports.text_card import text_card
from pruning.planning.recipe.mask_options import effective
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.spec import PruningSpec
from pruning.tasks import TASKS
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import model_facts, spec_units
from pruning.tasks.export_report import write_report
from pruning.tasks.measure import figures_of
from pruning.workspace.store import workspace

# Room for the texts; a script is tried by writing the model twice.
TEXT_BYTES = 2**20
RECIPE = "recipe.yaml"


def export_text(
    session: Session, request: Recipe, spec: PruningSpec, folder: Path, how: Mapping[str, Any]
) -> dict[str, Any]:
    """Write what `how["to"]` names to a new folder, which appears once it was read or run again.

    The figures in its card are measured, unless they are in the workspace. `how["masked"]`: as in `export`.

    Raises
    ------
    PruningError
        The folder exists, the disk has too little room, or what was written does not give the same.
    """
    figures = figures_of(session, spec, request.recovery)
    to, masked = how["to"], how["masked"]
    with new_folder(folder, TEXT_BYTES) as draft:
        session.stage("save", "Writing it")
        (draft / RECIPE).write_text(request.dumps(), encoding="utf-8")
        file = TEXTS[to](session, request, spec, draft, masked)
        (draft / "README.md").write_text(text_card(request, figures, file), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    value = {**figures, "out": str(folder), "verified": True, "bytes": size, "sparse_bytes": figures["bytes"]}
    return value | {"to": to, "masked": masked, "recipe": request.to_dict()}


def _recipe(session: Session, request: Recipe, spec: PruningSpec, draft: Path, masked: bool) -> str:
    """The recipe alone, which is there already; it is read again."""
    if Recipe.load(draft / RECIPE) != request:
        raise PruningError("The written recipe reads differently; nothing was kept. Please report this.")
    return RECIPE


def _llm_compressor(session: Session, request: Recipe, spec: PruningSpec, draft: Path, masked: bool) -> str:
    """The recipe of llm-compressor, read again."""
    levels = module_levels(session, spec)
    text = llm_compressor.llm_compressor_recipe(levels, spec.criterion, spec.options)
    path = draft / llm_compressor.FILE
    path.write_text(text, encoding="utf-8")
    if llm_compressor.levels_in(path.read_text(encoding="utf-8")) != levels:
        raise PruningError("The written recipe reads differently; nothing was kept. Please report this.")
    return llm_compressor.FILE


def module_levels(session: Session, spec: PruningSpec) -> dict[str, float]:
    """The share of zeros by module, in the model's order; modules that stay as they are are left out.

    Raises PruningError where one module holds groups of different levels.
    """
    plan = effective(session.plan(spec.settings), session.plan_groups(), spec.options)
    levels: dict[str, float] = {}
    for group in session.groups:
        for part in group.parts:
            level = plan.get(group.key, 0.0)
            if levels.setdefault(part.module, level) != level:
                raise _two_levels(part)
    order = [name for name, _ in session.model.named_modules() if levels.get(name)]
    return {name: levels[name] for name in order}


def _two_levels(part: Part) -> PruningError:
    return PruningError(f"{part.module} holds groups of different levels. Give them the same.")


def _script(session: Session, request: Recipe, spec: PruningSpec, draft: Path, masked: bool) -> str:
    """The script, once a process of its own has rebuilt the model with it."""
    facts = model_facts(session, spec_units(session, spec))
    asked = Wanted(facts, session.plan(spec.settings), spec.options, spec.criterion)
    masked = masked or light("hf", asked).state == CANNOT
    expected = draft / "expected"
    digest = TASKS["export"](session, request.to_dict(), out=str(expected), masked=masked)["digest"]
    _forget(session, expected)
    rebuilt = scripts.Rebuilt(session.loaded.reference, session.loaded.dtype, masked, digest)
    path = draft / scripts.FILE
    path.write_text(scripts.script(request, rebuilt), encoding="utf-8")
    session.stage("verify", "Running the script in a process of its own")
    again = draft / "again"
    environment = dict(os.environ)
    if session.store.root != workspace().absolute():
        environment["PRUNESCOPE_HOME"] = str(session.store.root)
    words = [sys.executable, str(path), str(again)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    _forget(session, again)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PruningError(
            f"The script, run by itself, did not rebuild the model ({last}); nothing was kept."
        )
    return scripts.FILE


def _forget(session: Session, folder: Path) -> None:
    """Delete a model that was written for comparison, and its row."""
    session.store.remove("export", {"fingerprint": session.loaded.computed, "out": str(folder)})
    shutil.rmtree(folder, ignore_errors=True)


TEXTS: Mapping[str, Callable[[Session, Recipe, PruningSpec, Path, bool], str]] = {
    "recipe": _recipe,
    "script": _script,
    "report": write_report,
    "llm-compressor": _llm_compressor,
}
