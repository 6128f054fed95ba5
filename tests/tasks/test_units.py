"""Recipes that remove whole units: measured with zeros, exported smaller or with zeros, dense at the end."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.models.load import Loaded
from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.tasks import TASKS, Session
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.units import kept_units, share_pruned
from pruning.workspace.store import Store
from tests.support.tiny import HEADS, INNER, LAYERS

pytestmark = pytest.mark.usefixtures("dense_again")
SETTINGS = {
    "neurons": "neurons=0.25",
    "heads": "heads=0.5",
    "kv_groups": "kv_groups=0.5",
    "layers": "layers@1=1",
}
LOAD = """
import sys, torch, transformers
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()
ids = torch.load(sys.argv[2])
with torch.no_grad():
    torch.save(model(input_ids=ids, use_cache=False).logits, sys.argv[3])
"""


def recipe_of(session: Session, setting: str, **options: Any) -> dict[str, Any]:
    chosen = MaskOptions.of(options)
    groups = session.plan_groups(chosen.structure)
    made = Recipe.from_plan(
        parse_settings([setting], groups),
        groups,
        ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint),
        DataEntry(name=session.data),
        "fisher",
        chosen,
    )
    return made.to_dict()


@pytest.mark.parametrize("structure", SETTINGS)
def test_a_smaller_export_gives_the_logits_that_were_measured(
    session: Session, loaded: Loaded, tmp_path: Path, structure: str
) -> None:
    recipe = recipe_of(session, SETTINGS[structure], structure=structure)
    outs = {masked: str(tmp_path / f"out-{masked}") for masked in (False, True)}
    done = {
        masked: TASKS["export"](session, recipe=recipe, out=out, masked=masked)
        for masked, out in outs.items()
    }
    assert done[False]["kl"] == done[True]["kl"] > 0
    assert done[False]["bytes"] < done[True]["bytes"]
    small, full = (AutoModelForCausalLM.from_pretrained(outs[masked]).eval() for masked in (False, True))
    assert dense_bytes(full) == dense_bytes(loaded.model)
    ids = torch.arange(3, 60).unsqueeze(0)
    with torch.no_grad():
        expected, given = (model(input_ids=ids, use_cache=False).logits for model in (full, small))
    assert same_values(expected, given)
    config = small.config
    sizes = config.intermediate_size, config.num_attention_heads, config.num_key_value_heads
    assert (*sizes, config.num_hidden_layers) == {
        "neurons": (INNER * 3 // 4, HEADS, 2, LAYERS),
        "heads": (INNER, HEADS // 2, 2, LAYERS),
        "kv_groups": (INNER, HEADS // 2, 1, LAYERS),
        "layers": (INNER, HEADS, 2, LAYERS - 1),
    }[structure]
    assert Recipe.load(Path(outs[False]) / "recipe.yaml").to_dict() == recipe
    assert "taken out" in (Path(outs[False]) / "README.md").read_text()
    assert "set to zero" in (Path(outs[True]) / "README.md").read_text()


def test_a_smaller_export_loads_in_a_fresh_process(session: Session, loaded: Loaded, tmp_path: Path) -> None:
    recipe = recipe_of(session, "neurons=0.3", structure="neurons", round_to=8)
    out = tmp_path / "small"
    TASKS["export"](session, recipe=recipe, out=str(out))
    torch.save(torch.arange(3, 60).unsqueeze(0), tmp_path / "ids.pt")
    command = [sys.executable, "-c", LOAD, *map(str, (out, tmp_path / "ids.pt", tmp_path / "logits.pt"))]
    subprocess.run(command, check=True, cwd=tmp_path)
    spec = spec_of(session, ["neurons=0.3"], "fisher", {"structure": "neurons", "round_to": 8})
    with applied(session, spec), torch.no_grad():
        expected = loaded.model(input_ids=torch.load(tmp_path / "ids.pt"), use_cache=False).logits
    assert same_values(expected, torch.load(tmp_path / "logits.pt"))


def test_what_no_configuration_describes_is_refused_before_anything_is_measured(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr(Session, "reference", property(forbidden))
    recipe = recipe_of(session, "heads=0.25", structure="heads")
    with pytest.raises(PruningError, match="not come evenly from its 2 KV groups.*2 of 4 heads.*--masked"):
        TASKS["export"](session, recipe=recipe, out=str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_a_recipe_of_units_can_be_written_with_zeros(session: Session, tmp_path: Path) -> None:
    recipe = recipe_of(session, "neurons@0=0.3", structure="neurons")
    TASKS["export"](session, recipe=recipe, out=str(tmp_path / "zeros"), masked=True)
    mlp = AutoModelForCausalLM.from_pretrained(tmp_path / "zeros").model.layers[0].mlp
    gone = (mlp.down_proj.weight == 0).all(0)
    assert int(gone.sum()) == round(0.3 * INNER)
    assert not mlp.up_proj.weight[gone].any()
    assert mlp.up_proj.weight[~gone].all()


@pytest.mark.parametrize(
    ("setting", "words"),
    [("neurons=0.25", None), ("neurons@0=0.3", None), ("heads=0.25", "KV groups")],
)
def test_a_measurement_says_whether_the_export_could_be_smaller(
    session: Session, setting: str, words: str | None
) -> None:
    structure = setting.partition("@")[0].partition("=")[0]
    found = TASKS["measure"](session, settings=[setting], structure=structure)
    assert found["not_smaller"] is None if words is None else words in found["not_smaller"]


@pytest.mark.parametrize("structure", SETTINGS)
def test_the_share_that_goes_is_known_before_units_are_chosen(
    session: Session, loaded: Loaded, store: Store, structure: str
) -> None:
    asked = {"settings": [SETTINGS[structure]], "structure": structure}
    found = TASKS["measure"](session, **asked)
    spec = spec_of(session, asked["settings"], "fisher", {"structure": structure})
    assert found["sparsity"] == pytest.approx(share_pruned(session, spec))
    assert found["bytes"] == found["file_bytes"] < dense_bytes(loaded.model)
    kept = {
        "neurons": [INNER * 3 // 4] * LAYERS,
        "heads": [HEADS // 2] * LAYERS,
        "kv_groups": [1] * LAYERS,
        "layers": [1, 0, 1],
    }
    assert kept_units(session, spec) == {structure: kept[structure]}
    assert store.find("measure", fingerprint=loaded.fingerprint, structure=structure)


def test_a_plan_is_worked_out_once_for_measuring_and_writing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(session, ["neurons=0.4"], "fisher", {"structure": "neurons"})
    with applied(session, spec) as first:
        pass

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("it was fitted again")

    monkeypatch.setattr("pruning.tasks.context.units.prune_layerwise", forbidden)
    with applied(session, spec) as second:
        assert second is first


def test_what_cannot_go_whole_is_explained(session: Session) -> None:
    for settings, options, criterion, words in (
        (["layers=1"], {"structure": "layers"}, "fisher", "All layers would go"),
        (["layers@1=1", "neurons@1=0.2"], {}, "fisher", "Layer 1 goes .* leave out neurons@1=0.2"),
        (["heads=0.5", "kv_groups@0=0.5"], {}, "fisher", "both heads=0.5 and kv_groups=0.5"),
        (["kv_groups=0.9"], {}, "fisher", "leaves none of the 2 kv_groups of layer 0"),
        (["neurons=0.2", "up=0.2"], {"scope": "layer"}, "fisher", "Use the scope row or group"),
        (["neurons=0.2", "up=0.2"], {}, "snip", "Use the scope row or group"),
        (["up=0.2"], {"compensate": False}, "fisher", "Leave compensate out"),
        (["heads=0.5"], {"round_to": 4}, "fisher", "removes none"),
        (["neurons=0.2"], {"structure": "neurons"}, "sparsegpt", "cannot choose neurons"),
        (["neurons=0.2"], {"structure": "neurons", "scope": "row"}, "fisher", "have no scope"),
    ):
        with pytest.raises(PruningError, match=words):
            TASKS["measure"](session, settings=settings, criterion=criterion, **options)


def test_protected_layers_keep_their_units(session: Session) -> None:
    options = {"structure": "neurons", "protect": "0,2"}
    with applied(session, spec_of(session, ["neurons=0.5"], "l2", options)) as change:
        assert {layer for layer, _ in change.removed} == {1}
