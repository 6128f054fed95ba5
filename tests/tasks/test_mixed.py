"""Plans of units and weights together, through every task that takes a plan."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.architecture.equivalence import same_values
from pruning.engine.models.load import Loaded, load
from pruning.errors import PruningError
from pruning.model_files.checkpoint import read_folder
from pruning.tasks import TASKS, Session
from pruning.tasks.context.apply import applied, spec_of
from pruning.tasks.context.units import share_pruned
from pruning.workspace.store import Store
from tests.support.tiny import LAYERS
from tests.tasks.test_units import LOAD

pytestmark = pytest.mark.usefixtures("dense_again")
# What every layer loses alike can be written as a smaller model.
EVEN = ["neurons=0.25", "kv_groups=0.5", "layers@1=1", "all=0.3"]
# What a file says of its tensors, and their padding.
HEADER = 2500
UNEVEN = ["neurons@0=0.25", "heads@2=0.5", "down=0.3"]
# One head alone of two that share keys and values: no tensor can be cut.
ODD = ["heads@2=0.25", "down=0.3"]


@pytest.mark.parametrize("criterion", ["fisher", "corrected"])
def test_a_mixed_plan_is_measured_and_kept_under_its_plan(
    session: Session, store: Store, loaded: Loaded, criterion: str
) -> None:
    found = TASKS["measure"](session, settings=UNEVEN, criterion=criterion)
    assert found["structure"] == "mixed"
    assert found["not_smaller"] is None, "each layer is written with its own widths"
    whole = sum(p.numel() * p.element_size() for p in loaded.model.parameters())
    assert found["bytes"] < found["file_bytes"] < whole
    spec = spec_of(session, UNEVEN, criterion, {})
    assert found["sparsity"] == pytest.approx(share_pruned(session, spec), abs=1e-3)
    assert store.find("measure", fingerprint=loaded.fingerprint, structure="mixed", criterion=criterion)
    units = TASKS["measure"](session, settings=["neurons@0=0.25", "heads@2=0.5"])
    assert 0 < units["kl"] < found["kl"]


def test_a_mixed_model_is_smaller_for_everybody(session: Session, loaded: Loaded, tmp_path: Path) -> None:
    made = TASKS["recipe"](session, settings=EVEN, criterion="corrected")
    assert made["kept_units"] == {"layers": [1, 0, 1], "kv_groups": [1, 0, 1], "neurons": [48, 0, 48]}
    done = TASKS["export"](session, recipe=made["recipe"], out=str(tmp_path / "out"))
    assert done["not_smaller"] is None
    assert done["bytes"] == pytest.approx(done["file_bytes"], abs=HEADER)
    ids = session.windows.evaluation[:2]
    torch.save(ids, tmp_path / "ids.pt")
    where = [str(tmp_path / name) for name in ("out", "ids.pt", "logits.pt")]
    subprocess.run([sys.executable, "-c", LOAD, *where], check=True, cwd=tmp_path)
    with applied(session, spec_of(session, EVEN, "corrected", {})), torch.no_grad():
        expected = loaded.model(input_ids=ids, use_cache=False).logits
    assert same_values(expected, torch.load(tmp_path / "logits.pt"))
    again: Any = load(str(tmp_path / "out")).model
    assert len(again.model.layers) == LAYERS - 1
    down = again.model.layers[0].mlp.down_proj.weight
    assert float((down == 0).float().mean()) == pytest.approx(0.3, abs=0.02), "a share of what stays"


def test_a_mixed_model_can_be_packed(session: Session, tmp_path: Path) -> None:
    recipe = TASKS["recipe"](session, settings=EVEN)["recipe"]
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "packed"), to="compact")
    assert done["bytes"] == pytest.approx(done["sparse_bytes"], abs=3 * HEADER)
    assert done["bytes"] < done["file_bytes"]
    assert read_folder(tmp_path / "packed")


def test_other_tasks_take_mixed_plans(session: Session) -> None:
    answers = TASKS["generate"](session, prompts=["The river"], plans=[UNEVEN], max_new_tokens=3)["answers"]
    assert [set(row["settings"]) for row in answers] == [set(UNEVEN)]
    trained = TASKS["recover"](session, settings=UNEVEN, recovery={"steps": 2})
    assert trained["structure"] == "mixed"
    depths = TASKS["early_exit"](session, settings=UNEVEN)["depths"]
    assert len(depths) == LAYERS


@pytest.mark.parametrize(("settings", "smaller"), [(EVEN, True), (UNEVEN, True), (ODD, False)])
def test_what_is_cut_out_is_not_quantized(
    session: Session, monkeypatch: pytest.MonkeyPatch, settings: list[str], smaller: bool
) -> None:
    monkeypatch.setattr("pruning.tasks.variants.quantized", lambda model, *_: model)
    rows = TASKS["quantize"](session, settings=settings, methods=["int8"])["rows"]
    assert [(row["pruned"], row["method"]) for row in rows] == [
        (False, None), (False, "int8"), (True, None), (True, "int8"),
    ]  # fmt: skip
    dense, _, pruned, both = rows
    assert both["file_bytes"] == pruned["file_bytes"]
    assert (both["file_bytes"] < dense["file_bytes"]) == smaller
    assert both["kl"] == pytest.approx(pruned["kl"], rel=1e-4)


def test_a_gradual_schedule_is_for_single_weights(session: Session) -> None:
    with pytest.raises(PruningError, match="go at once"):
        TASKS["recover"](session, settings=UNEVEN, recovery={"steps": 4, "schedule": "cubic"})
