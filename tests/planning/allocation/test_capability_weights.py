"""Values of capabilities in the solver: what is spared, what stays the map's, what the command says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from pruning.cli import main
from pruning.cli.reference.command_line import command_line
from pruning.engine.calibration.capability_text import capability_texts
from pruning.errors import PruningError
from pruning.planning.allocation.choices import Bounds, ChoiceTable, map_choices, with_capability_weights
from pruning.planning.allocation.solver import front, solve
from pruning.planning.allocation.targets import Target
from pruning.planning.forecast.capability_map import (
    ABILITIES,
    CapabilityMap,
    check_values,
    cost_weights,
    parse_values,
)
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.predict import costs_at
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import Plan
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace.results import capability_map
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.synthetic import total_cost
from tests.support.tiny import tiny_tokenizer

TABLE = synthetic.sensitivity_map(layers=6)
KNOWN = CapabilityMap.from_dict(synthetic.leanings(TABLE))
MENU = map_choices(Forecaster.prior(TABLE))
HALF = [Target("sparsity", 0.5)]


def _menu(**values: float) -> ChoiceTable:
    return with_capability_weights(MENU, Forecaster.prior(TABLE), KNOWN, values)


def _mean(plan: Plan, kind: str) -> float:
    return float(np.mean([plan.get(group, 0.0) for group in TABLE.groups if group[1] == kind]))


def _loss(plan: Plan, name: str, table: SensitivityMap = TABLE) -> float:
    """What a capability is forecast to lose by a plan, before calibration."""
    return total_cost(KNOWN.as_map(table, name), plan)


def test_the_capabilities_are_those_that_are_priced() -> None:
    assert list(ABILITIES) == list(capability_texts(tiny_tokenizer()))


def test_a_value_spares_what_its_capability_leans_on() -> None:
    plain = solve(MENU, HALF)
    minded = solve(_menu(arithmetic=3), HALF)
    assert minded.sparsity >= 0.5 - 1e-9
    assert _mean(minded.plan, "qkv") < _mean(plain.plan, "qkv") - 0.02
    assert _loss(minded.plan, "arithmetic") < 0.97 * _loss(plain.plan, "arithmetic")
    other = solve(_menu(code=3), HALF)
    assert _mean(other.plan, "down") < _mean(plain.plan, "down")
    assert _mean(other.plan, "qkv") > _mean(minded.plan, "qkv")


def test_more_value_spares_more() -> None:
    losses = [_loss(solve(_menu(arithmetic=value), HALF).plan, "arithmetic") for value in (0.3, 1, 3, 30)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_what_is_reported_stays_the_map_s_own() -> None:
    plain, minded = solve(MENU, HALF), solve(_menu(arithmetic=3), HALF)
    assert minded.cost == pytest.approx(total_cost(TABLE, minded.plan))
    assert minded.cost > plain.cost, "the map's own best plan is given up"
    assert minded.gap == 0
    menu = _menu(arithmetic=3)
    aimed = float(menu.aim[np.arange(len(minded.columns)), minded.columns].sum())
    assert aimed == pytest.approx(minded.bound)
    assert aimed < float(menu.aim[np.arange(len(plain.columns)), plain.columns].sum())
    assert np.array_equal(menu.costs, MENU.costs)


def test_a_limit_of_kl_is_the_map_s_and_needs_a_size_beside_it() -> None:
    limited = Forecaster.prior(TABLE).forecast(solve(MENU, [Target("sparsity", 0.5)]).plan).kl * 1.01
    both = [Target("sparsity", 0.5), Target("kl", limited)]
    free, held = solve(_menu(arithmetic=30), HALF), solve(_menu(arithmetic=30), both)
    assert Forecaster.prior(TABLE).forecast(free.plan).kl > limited
    assert Forecaster.prior(TABLE).forecast(held.plan).kl <= limited * (1 + 1e-9)
    assert _loss(held.plan, "arithmetic") < _loss(solve(MENU, HALF).plan, "arithmetic")
    with pytest.raises(PruningError, match="say how much has to go as well"):
        solve(_menu(arithmetic=1), [Target("kl", 0.2)])


def test_no_value_is_no_change() -> None:
    for menu in (_menu(), _menu(arithmetic=0)):
        assert np.array_equal(menu.aim, MENU.costs)
        assert solve(menu, HALF).plan == solve(MENU, HALF).plan


def test_at_one_a_capability_counts_as_much_as_the_map_whatever_its_scale() -> None:
    half = np.full(len(TABLE.groups), 0.5)
    whole = costs_at(TABLE, half).sum()
    louder = replace(KNOWN, costs={**KNOWN.costs, "facts": 50 * KNOWN.costs["facts"]})
    for known in (KNOWN, louder):
        [(name, weight)] = cost_weights(TABLE, known, {"facts": 2.0, "code": 0.0}).items()
        assert weight * costs_at(known.as_map(TABLE, name), half).sum() == pytest.approx(2 * whole)
    assert (
        solve(with_capability_weights(MENU, Forecaster.prior(TABLE), louder, {"facts": 2}), HALF).plan
        == solve(_menu(facts=2), HALF).plan
    )


def test_locks_and_what_was_learnt_of_kinds_hold_for_capabilities_too() -> None:
    bounds = Bounds(locks={(2, "down"): 0.333})
    qkv = np.array([kind == "qkv" for _, kind in TABLE.groups])
    dear_qkv = Forecaster(TABLE, replace(Forecaster.prior(TABLE).fit, weights={"qkv": 4.0}))
    menu = map_choices(dear_qkv, bounds)
    minded = with_capability_weights(menu, dear_qkv, KNOWN, {"arithmetic": 1})
    assert solve(minded, HALF).plan[2, "down"] == 0.333
    bare = with_capability_weights(
        map_choices(Forecaster.prior(TABLE), bounds), Forecaster.prior(TABLE), KNOWN, {"arithmetic": 1}
    )
    assert np.allclose(minded.aim[qkv], 4 * bare.aim[qkv])
    assert np.allclose(minded.aim[~qkv], bare.aim[~qkv])


def test_every_budget_of_the_front_minds_the_values() -> None:
    plain, minded = front(MENU, 8), front(_menu(arithmetic=3), 8)
    for one, other in zip(plain[1:-1], minded[1:-1], strict=True):
        assert _loss(other.plan, "arithmetic") < _loss(one.plan, "arithmetic")
        assert other.cost >= one.cost


def test_other_groups_than_the_map_s_are_refused() -> None:
    with pytest.raises(PruningError, match="other groups than the map has"):
        with_capability_weights(
            map_choices(Forecaster.prior(other := synthetic.sensitivity_map(layers=4))),
            Forecaster.prior(other),
            KNOWN,
            {"facts": 1},
        )


# ---- words ------------------------------------------------------------------------------------------


def test_values_are_read() -> None:
    assert parse_values(["arithmetic=3", "facts=1, common-sense=0.5", "facts=2"]) == {
        "arithmetic": 3.0,
        "facts": 2.0,
        "common_sense": 0.5,
    }
    for text in ("arithmetic", "arithmetic=-1", "arithmetic=inf", "=3", "arithmetic=much"):
        with pytest.raises(PruningError, match="Write CAPABILITY=NUMBER"):
            parse_values([text])
    with pytest.raises(PruningError, match="no capability .poetry.. Use some of facts, grammar"):
        check_values({"poetry": 1.0}, ABILITIES)


def test_a_request_with_values_is_a_command() -> None:
    model = {"reference": "demo"}
    arguments = {"targets": [["sparsity", 0.5]], "values": {"arithmetic": 3.0, "facts": 0.5}}
    told = command_line({"task": "solve", "model": model, "arguments": arguments})
    assert "--value arithmetic=3 --value facts=0.5" in told


# ---- the workspace ----------------------------------------------------------------------------------


def test_only_what_is_about_the_map_s_own_text_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert capability_map(store, TABLE) is None
    synthetic.put_capabilities(store, TABLE, data_fingerprint="another text")
    assert capability_map(store, TABLE) is None
    synthetic.put_capabilities(store, TABLE)
    known = capability_map(store, TABLE)
    assert known is not None
    assert list(known.costs) == list(ABILITIES)
    assert capability_map(store, synthetic.sensitivity_map(layers=6, criterion="wanda")) is None
    # One that was cancelled after its first capability does not hide the one that is whole.
    first = {"facts": (TABLE.cost[:, :2]).tolist()}
    synthetic.put_capabilities(store, TABLE, capabilities=first, levels=[0.1, 0.2])
    known = capability_map(store, TABLE)
    assert known is not None
    assert len(known.costs) == len(ABILITIES)


# ---- the command ------------------------------------------------------------------------------------


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))

    def run(*words: Any, fails: bool = False) -> Any:
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == (1 if fails else 0), result.output + repr(result.exception)
        return result.stderr if fails else json.loads(result.stdout.splitlines()[-1])

    return run


def test_the_command_minds_values_on_a_map(call, tmp_path: Path) -> None:
    drawn, out = tmp_path / "map.json", tmp_path / "recipe.yaml"
    TABLE.save(drawn)
    words = ("solve", drawn, "--target", "sparsity=0.5", "--out", out)
    minded = (*words, "--value", "arithmetic=3", "--value", "facts=0")
    assert "was not worked out for this map" in call(*minded, fails=True)
    synthetic.put_capabilities(Store(), TABLE)
    plain, found = call(*words), call(*minded)
    assert "values" not in plain
    assert found["values"] == {"arithmetic": 3.0}
    plan = Recipe.load(out).to_plan(TABLE.groups)
    assert plan == solve(_menu(arithmetic=3), HALF).plan
    assert found["kl"] == pytest.approx(Forecaster.prior(TABLE).forecast(plan).kl)
    assert found["kl"] == pytest.approx(call("forecast", drawn, out)["kl"])
    assert plain["kl"] < found["kl"] < 1.5 * plain["kl"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--value", "poetry=1"), "no capability"),
        (("--value", "facts"), "Write CAPABILITY=NUMBER"),
        (("--value", "facts=1", "--structure", "heads"), "for single weights, not for heads"),
    ],
)
def test_values_that_cannot_be_are_explained_before_a_model_is_loaded(
    call, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "recipe.yaml"
    said = call("solve", tmp_path / "nowhere", "--target", "sparsity=0.5", "--out", out, *words, fails=True)
    assert told in said
    assert not out.exists()


def test_the_command_works_out_what_is_missing_of_a_model(call, llama_folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"The river had risen over path {n} and the boats. " * 8 for n in range(40)))
    out = tmp_path / "recipe.yaml"
    words = ("solve", llama_folder, "--data", text, "--target", "sparsity=0.5", "--out", out)
    plain = call(*words)
    assert not Store().find("capabilities")
    found = call(*words, "--value", "reading=20")
    [row] = Store().find("capabilities")
    assert list(row["value"]["capabilities"]) == list(ABILITIES)
    assert found["settings"] != plain["settings"]
    assert found["kl"] >= plain["kl"]
    again = call(*words, "--value", "reading=20")
    assert again["settings"] == found["settings"]
    assert Store().find("capabilities")[0]["created"] == row["created"], "nothing was worked out again"
