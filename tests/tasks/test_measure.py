"""Measuring a plan: figures, what they are stored under, and what is kept for the next task."""

import math
from typing import Any

import pytest

from pruning.engine.evaluation import behaviour
from pruning.engine.evaluation.behaviour import load_prompts
from pruning.engine.models.load import Loaded, fingerprint
from pruning.errors import Cancelled
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store

pytestmark = pytest.mark.usefixtures("dense_again")
LEVELS = [0.3, 0.6]
UPDATES = [("sparsegpt", "sparsegpt"), ("corrected", "sparsegpt_corrected")]


def test_measure_agrees_with_the_plan_and_the_forecast_knows_its_size(
    session: Session, loaded: Loaded, store: Store, text: str
) -> None:
    table = SensitivityMap.from_dict(TASKS["map"](session, levels=LEVELS)["map"])
    found = TASKS["measure"](session, settings=["all=0.5", "up@0=0.25"])
    made = Forecaster.prior(table).forecast(parse_settings(found["settings"], table.groups))
    assert found["kl"] > 0
    assert 0 <= found["agreement"] <= 1
    assert found["sparsity"] == pytest.approx(made.sparsity)
    assert 0.4 < found["sparsity"] < 0.5
    assert found["bytes"] == pytest.approx(made.bytes, rel=1e-3)
    assert found["bytes"] < found["file_bytes"]
    assert math.isclose(found["dense_perplexity"], TASKS["baseline"](session)["perplexity"])
    nothing = TASKS["measure"](session, settings=[])
    assert nothing["kl"] == pytest.approx(0, abs=1e-6)
    assert nothing["agreement"] == 1.0
    assert store.find("measure", fingerprint=loaded.fingerprint, data=text)


def test_results_of_other_options_are_kept_apart(session: Session, loaded: Loaded, store: Store) -> None:
    asked: dict[str, Any] = {"settings": ["all=0.5"], "criterion": "magnitude"}
    plain = TASKS["measure"](session, **asked)
    half = TASKS["measure"](session, **asked, structure="n:m", pattern="2:4")
    spared = TASKS["measure"](session, **asked, protect="0-1")
    assert len({plain["kl"], half["kl"], spared["kl"]}) == 3
    assert half["sparsity"] == pytest.approx(0.5)
    assert spared["sparsity"] == pytest.approx(0.5 / 3)
    assert half["pattern"] == "2:4"
    assert "structure" not in plain
    rows = store.find("measure", fingerprint=loaded.fingerprint)
    assert len(rows) == 3
    # The key of a result without options is what it was before there were any.
    assert {"fingerprint", "data", "criterion", "settings"} in [set(row["key"]) for row in rows]
    default = store.find("measure", fingerprint=loaded.fingerprint, **MaskOptions().everywhere())
    assert [row["value"] for row in default] == [plain]


@pytest.mark.parametrize(
    ("name", "update"), [("sparsegpt", "sparsegpt"), ("corrected", "sparsegpt_corrected")]
)
def test_what_was_fitted_is_kept_for_the_next_task(
    session: Session, monkeypatch: pytest.MonkeyPatch, name: str, update: str
) -> None:
    asked: dict[str, Any] = {"settings": ["all=0.5"], "criterion": name}
    first = TASKS["measure"](session, **asked)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the weights were fitted again")

    monkeypatch.setattr(f"pruning.tasks.context.apply.{update}", forbidden)
    assert TASKS["measure"](session, **asked) == first
    with pytest.raises(AssertionError, match="fitted again"):
        TASKS["measure"](session, **{**asked, "settings": ["all=0.4"]})


def test_an_alias_is_stored_under_the_criterions_own_name(session: Session) -> None:
    first = TASKS["measure"](session, settings=["up=0.5"], criterion="sparsegpt-ec")
    assert first["criterion"] == "corrected"
    assert TASKS["measure"](session, settings=["up=0.5"], criterion="corrected") == first
    points = {"levels": [0.5], "layers": [0], "kinds": ["up"]}
    swept = [TASKS["sweep"](session, criterion=name, **points) for name in ("sparsegpt-ec", "corrected")]
    assert [result["measured"] for result in swept] == [1, 0]
    assert TASKS["map"](session, criterion="sparsegpt-ec", levels=[0.5])["map"]["criterion"] == "corrected"
    rows = [row for kind in ("map", "sweep_point") for row in session.store.find(kind)]
    assert {row["key"]["criterion"] for row in rows} == {"corrected"}


def test_a_plan_that_prunes_nothing_behaves_as_the_dense_model(session: Session) -> None:
    seen = TASKS["measure"](session, settings=[])["behaviour"]
    assert seen["prompts"] == len(load_prompts())
    assert (seen["repeating"], seen["cut_short"], seen["early"]) == (0, 0, 0)
    assert (seen["questions_lost"], seen["questions_won"]) == (0, 0)
    assert seen["example"]["dense"] == seen["example"]["pruned"]
    hurt = TASKS["measure"](session, settings=["all=0.9"], criterion="magnitude")["behaviour"]
    assert hurt["early"] > 0
    assert hurt["common_prefix"] < seen["common_prefix"]
    assert hurt["example"]["dense"] != hurt["example"]["pruned"]


def test_the_dense_model_answers_once_for_all_sessions(
    session: Session, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []
    truly = behaviour.answer_prompts

    def counted(*args: Any) -> Any:
        asked.append(None)
        return truly(*args)

    monkeypatch.setattr(behaviour, "answer_prompts", counted)
    first = TASKS["measure"](session, settings=["all=0.5"])
    assert len(asked) == 2, "the dense model, and the pruned one"
    assert TASKS["measure"](session, settings=["all=0.5"]) == first
    assert len(asked) == 3
    assert TASKS["measure"](Session(session.loaded, store, session.data), settings=["all=0.5"]) == first
    assert len(asked) == 4, "another process reads them in the workspace"


def test_measuring_can_be_cancelled_while_it_answers(session: Session, loaded: Loaded, store: Store) -> None:
    def stop(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        assert 0 <= done <= total
        if note == "Answering the prompts":
            raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["measure"](session.reporting(stop), settings=["all=0.5"])
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert not store.find("measure")
