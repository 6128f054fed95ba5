"""The task that teaches a forecast: each plan is measured and stored once; it goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pruning.cli import main
from pruning.cli.reference.command_line import command_line
from pruning.engine.calibration.data import load_probes
from pruning.engine.models.load import Loaded, fingerprint
from pruning.errors import Cancelled, PruningError
from pruning.planning.forecast.calibration_plans import MIXED_TRIALS, TRIALS, calibration_plans
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, format_settings, kinds_of, parse_settings
from pruning.tasks import TASKS, Session
from pruning.tasks import measure as quality
from pruning.tasks import measure_plans as measuring
from pruning.tasks.context import answers
from pruning.workspace.store import Store
from tests.support.texts import WORDS


@pytest.fixture(autouse=True)
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answering all of them takes most of a tiny model's time."""
    some = load_probes()[::22]
    for module in (quality, answers):
        monkeypatch.setattr(module, "load_probes", lambda: some)


def test_it_measures_each_plan_once_and_goes_on_where_it_stopped(
    session: Session, loaded: Loaded, store: Store, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TASKS["map"](session, criterion="magnitude")["map"]
    table = SensitivityMap.from_dict(made)
    wanted = [format_settings(plan, session.every_group) for plan in calibration_plans(table)]
    assert 1 < len(wanted) <= MIXED_TRIALS
    assert {*table.kinds} == kinds_of([setting for settings in wanted for setting in settings])
    # Somebody measured one of them before.
    TASKS["measure"](session, settings=wanted[2], criterion="magnitude")
    seen: list[list[str]] = []

    def stop_after_two(done: float, total: float, note: str = "", partial: Any = None) -> None:
        assert 0 <= done <= total
        if partial:
            seen.append(partial["plan"]["settings"])
            if len(seen) == 2:
                raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["teach"](session.reporting(stop_after_two), criterion="magnitude")
    assert seen == wanted[:2]
    assert len(store.find("measure", fingerprint=loaded.fingerprint)) == 3
    found = TASKS["teach"](session, criterion="magnitude")
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert found["measured"] == len(wanted) - 3
    assert found["plans"] == wanted
    rows = store.find("measure", fingerprint=loaded.fingerprint, criterion="magnitude", data=text)
    kls = {tuple(row["value"]["settings"]): row["value"]["kl"] for row in rows}
    assert found["kls"] == [kls[tuple(settings)] for settings in wanted]
    pairs = [(parse_settings(list(plan), table.groups), kl) for plan, kl in kls.items()]
    assert found["spread"] == pytest.approx(Forecaster.fitted(table, pairs).fit.spread)
    assert set(found["weights"]) == {kind for _, kind in table.groups}
    assert json.loads(json.dumps(found)) == found

    def never(*told: object, **more: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(measuring, "figures_now", never)
    assert TASKS["teach"](session, criterion="magnitude")["measured"] == 0


def test_whole_units_have_plans_of_their_own(session: Session, loaded: Loaded, store: Store) -> None:
    found = TASKS["teach"](session, structure="neurons")
    assert 1 < found["measured"] == len(found["plans"]) <= TRIALS
    rows = store.find("measure", fingerprint=loaded.fingerprint, structure="neurons")
    kls = {tuple(row["value"]["settings"]): row["value"]["kl"] for row in rows}
    assert found["kls"] == [kls[tuple(settings)] for settings in found["plans"]]
    assert set(found["weights"]) == {"neurons"}
    assert TASKS["teach"](session, structure="neurons")["measured"] == 0
    with pytest.raises(PruningError, match="no forecasts for the structure block"):
        TASKS["teach"](session, structure="block")


def test_what_was_measured_on_an_older_text_is_measured_again(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(WORDS.format(n, n) * 4 for n in range(40)))
    TASKS["teach"](session.on(str(path)), criterion="magnitude")
    path.write_text("\n\n".join(WORDS.format(2 * n, n) * 5 for n in range(40)))
    again = TASKS["teach"](session.on(str(path)), criterion="magnitude")
    assert again["measured"] == len(again["plans"])


def test_the_map_is_the_one_that_the_dashboard_shows(session: Session) -> None:
    levels = [0.05 * step for step in range(1, 16)]
    finer = TASKS["map"](session, criterion="wanda", levels=levels)["map"]
    TASKS["map"](session, criterion="wanda")
    found = TASKS["teach"](session, criterion="wanda")
    plans = calibration_plans(SensitivityMap.from_dict(finer))
    assert found["plans"] == [format_settings(plan, session.every_group) for plan in plans]


def test_weights_alone_have_plans_of_their_own(session: Session) -> None:
    found = TASKS["teach"](session, criterion="magnitude", structure="unstructured")
    assert 1 < len(found["plans"]) <= TRIALS
    assert kinds_of([setting for settings in found["plans"] for setting in settings]) <= set(KINDS)
    assert set(found["weights"]) == set(KINDS)


def test_the_command(llama_folder: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    words = ["teach", str(llama_folder), "--criterion", "magnitude", "--data", text]
    made = CliRunner().invoke(main, words)
    assert made.exit_code == 0, made.output + repr(made.exception)
    found = json.loads(made.stdout.splitlines()[-1])
    assert found["measured"] == len(found["kls"]) == len(found["plans"])
    assert set(found) == {"plans", "measured", "kls", "kappa", "beta", "weights", "depth", "spread"}


def test_the_command_of_a_request() -> None:
    model = {"reference": "demo"}
    plain = {"task": "teach", "model": model, "arguments": {"criterion": "fisher", "data": "demo"}}
    assert command_line(plain) == "prunescope teach demo"
    other = {"task": "teach", "model": model, "arguments": {"criterion": "wanda", "data": "a b.txt"}}
    assert command_line(other) == "prunescope teach demo --criterion wanda --data 'a b.txt'"
