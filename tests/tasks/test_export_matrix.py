"""Every family and every form: what a light says is what an export does, and what transformers says."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pruning.engine.export.gguf.fit import check_fits
from pruning.engine.export.gguf.write import GgufFormat
from pruning.engine.export.weights import Pruned, Weights
from pruning.engine.models.load import load
from pruning.engine.structured.surgery import form_of, smaller
from pruning.errors import PruningError
from pruning.planning.cost.gguf_size import gguf_weight_bytes
from pruning.planning.cost.parts import parts_of
from pruning.planning.exports.gguf_numbers import number_lights
from pruning.planning.exports.model_facts import of_inspection
from pruning.planning.exports.targets import RULES, Wanted, light
from pruning.planning.recipe.plan import format_settings, parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.tasks import TASKS, Session
from pruning.tasks.context import units as unit_tasks
from pruning.tasks.context.apply import spec_of
from pruning.workspace.results import inspected
from pruning.workspace.store import Store
from tests.support.texts import write_text
from tests.support.tiny import FAMILIES, tiny_folder

PLANS = {
    "weights": ["all=0.5", "down@1=0.2"],
    "neurons": ["neurons=0.25"],
    "neurons by layer": ["neurons=0.25", "neurons@1=0.5"],
    "one head": ["heads=0.25"],
    "two heads": ["heads=0.5"],
    "heads by layer": ["heads@0=0.5"],
    "KV groups": ["kv_groups=0.5"],
    "a layer": ["layers@1=1"],
    "layers and neurons by layer": ["layers@0=1", "neurons@1=0.5"],
    "mixed": ["neurons=0.25", "up=0.5", "heads=0.5"],
}
# Written for real; the others are held against what transformers says.
WRITTEN = ("mixed",)
# A process of their own, or answers to all prompts: of these forms two families stand for all.
SLOW, OF = ("script", "report"), ("llama", "gpt2")
# Tracing takes seconds: every family's graph is traced in tests/engine/export/onnx_graph, and a mixed plan in
# tests/tasks/test_export_onnx.py.
TRACED = "onnx"


@pytest.fixture(scope="module", params=FAMILIES)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    place = tmp_path_factory.mktemp(request.param)
    loaded = load(str(tiny_folder(place / "model", request.param)))
    return Session(loaded, Store(place / "workspace"), write_text(place / "text.txt"))


@pytest.fixture(scope="module")
def facts(session: Session) -> Any:
    return of_inspection(TASKS["inspect"](session))


def wanted(session: Session, facts: Any, name: str) -> Wanted:
    spec = spec_of(session, PLANS[name], "magnitude", {})
    return Wanted(facts, session.plan(spec.settings), spec.options, spec.criterion)


def recipe_of(session: Session, asked: Wanted) -> dict[str, Any]:
    entry = ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint)
    made = Recipe.from_plan(
        asked.plan, asked.facts.groups, entry, DataEntry(name=session.data), "magnitude", asked.options
    )
    return made.to_dict()


@pytest.mark.parametrize("name", PLANS)
def test_a_folders_light_says_what_transformers_says(session: Session, facts: Any, name: str) -> None:
    asked = wanted(session, facts, name)
    spec = spec_of(session, PLANS[name], "magnitude", {})
    units = unit_tasks.spec_units(session, spec)
    described = None
    with suppress(PruningError):
        removal = unit_tasks._any_removal(session, units, spec, even=True)
        described = form_of(session.model, units, removal)
    found = light("hf", asked)
    states = {"alike": "loads", "by layer": "bundled code", None: "cannot"}
    assert found.state == states[described], found.reason


@pytest.mark.parametrize("name", PLANS)
def test_ggufs_lights_say_what_the_writer_says(session: Session, facts: Any, name: str) -> None:
    asked = wanted(session, facts, name)
    spec = spec_of(session, PLANS[name], "magnitude", {})
    units = unit_tasks.spec_units(session, spec)
    found = [light("gguf", asked)]
    found = number_lights(asked) if found[0].state != "cannot" else found
    for each in found:
        numbers = "f32" if each.target == "gguf" else each.target
        why = None
        try:
            removal = unit_tasks.planned_removal(session, spec)
            check_fits(session.model, units, removal, numbers)
        except PruningError as error:
            why = str(error)
        assert (each.state == "cannot") == (why is not None), each.reason
        if each.target != "gguf":
            assert each.state != "cannot" or str(why).startswith(each.reason)
        if why is None:
            # The writer counts the very tensors.
            left = smaller(session.model, units, removal)
            parts = parts_of(inspected(session.store, session.loaded.reference))
            assert gguf_weight_bytes(parts, asked.plan, numbers) == GgufFormat(numbers).size(left)


@pytest.mark.parametrize("name", PLANS)
def test_onnxs_light_says_whether_the_model_can_be_cut(session: Session, facts: Any, name: str) -> None:
    asked = wanted(session, facts, name)
    units = unit_tasks.spec_units(session, spec_of(session, PLANS[name], "magnitude", {}))
    can = False
    with suppress(PruningError):
        removal = unit_tasks._any_removal(
            session, units, spec_of(session, PLANS[name], "magnitude", {}), even=True
        )
        Weights.of(Pruned(session.model, None, units=units, removal=removal), described=False)
        can = True
    found = light("onnx", asked)
    assert (found.state == "loads") == can, found.reason


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("target", RULES)
def test_the_nearest_plan_is_green(session: Session, facts: Any, name: str, target: str) -> None:
    found = light(target, wanted(session, facts, name))
    if found.nearest is not None:
        settings = format_settings(found.nearest.plan, facts.groups)
        assert light(target, Wanted(facts, parse_settings(settings, facts.groups))).state != "cannot"


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("target", RULES)
def test_an_export_does_what_its_light_says(
    session: Session, facts: Any, name: str, target: str, tmp_path: Path
) -> None:
    asked, out = wanted(session, facts, name), tmp_path / "written"
    found = light(target, asked)
    if target in SLOW and asked.facts.family not in OF:
        assert found.state == "loads", "they take every plan of every family"
        return
    if target == TRACED and found.state != "cannot":
        return
    arguments = {"recipe": recipe_of(session, asked), "out": str(out), "to": target}
    if found.state == "cannot":
        with pytest.raises(PruningError) as refused:
            TASKS["export"](session, **arguments)
        assert str(refused.value).startswith(found.reason)
        assert not out.exists()
    else:
        assert TASKS["export"](session, **arguments)["to"] == target
        assert out.exists()
        if target == "gguf":
            about = inspected(session.store, session.loaded.reference)
            expected = gguf_weight_bytes(parts_of(about), asked.plan, "f16") + about["gguf"]["beside_bytes"]
            [path] = out.glob("*.gguf")
            # Names, and numbers of the configuration in digits.
            assert path.stat().st_size == pytest.approx(expected, abs=300)
