"""Solving and writing recipes as tasks: plain data that anybody can read, measure and export."""

import json
from dataclasses import asdict

import pytest

from pruning.engine.criteria import CRITERIA
from pruning.errors import PruningError
from pruning.planning.allocation.plan_request import Constraints
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.recipe import Recipe
from pruning.tasks import TASKS, Session
from pruning.tasks.best import best_spec
from pruning.tasks.optimize import solve
from pruning.tasks.recipe import recipe
from tests.support.tiny import INNER, LAYERS

pytestmark = pytest.mark.usefixtures("dense_again")


def test_a_solution_is_a_recipe_that_can_be_measured(session: Session) -> None:
    constraints = Constraints(locks=["down@0=0"], protect="2", ceilings=["0.6"])
    answer = solve(session, ["sparsity=0.3"], "wanda", constraints=constraints)
    assert json.loads(json.dumps(answer)) == answer
    request = {"targets": ["sparsity=0.3"], "criterion": "wanda", "constraints": asdict(constraints)}
    assert TASKS["solve"](session, **json.loads(json.dumps(request)))["settings"] == answer["settings"]
    made = Recipe.from_dict(answer["recipe"], [*CRITERIA])
    made.check_model(session.loaded.fingerprint)
    assert made.settings() == answer["settings"]
    assert (made.criterion, made.data.name) == ("wanda", session.data)
    plan = session.plan(answer["settings"])
    assert (0, "down") not in plan
    assert all(layer != 2 and level <= 0.6 for (layer, _), level in plan.items())
    measured = TASKS["measure"](session, answer["settings"], "wanda")
    assert measured["sparsity"] == pytest.approx(answer["sparsity"], abs=0.005)
    assert answer["kl_low"] < answer["kl"] < answer["kl_high"]
    assert answer["gap_to_bound"] == 0


def test_the_forecast_is_fitted_to_what_was_measured(session: Session) -> None:
    before = solve(session, ["sparsity=0.4"])
    kl = TASKS["measure"](session, before["settings"])["kl"]
    after = solve(session, ["sparsity=0.4"])
    assert abs(after["kl"] - kl) < abs(before["kl"] - kl)
    assert after["kl_high"] / after["kl_low"] < before["kl_high"] / before["kl_low"]


def test_a_mixed_plan_meets_its_targets_and_can_be_measured(session: Session) -> None:
    held = Constraints(locks=["up@0=0.2"], protect="1", most_layers=0)
    found = solve(session, ["file_bytes=400000", "sparsity=0.5"], "wanda", "mixed", held)
    assert json.loads(json.dumps(found)) == found
    plan = session.plan(found["settings"])
    assert plan[0, "up"] == 0.2
    assert not any(layer == 1 for layer, _ in plan)
    kinds = {kind for _, kind in plan}
    assert "neurons" in kinds
    assert "layers" not in kinds
    assert found["file_bytes"] <= 400000
    assert found["timed"] is False
    measured = TASKS["measure"](session, found["settings"], "wanda")
    assert measured["sparsity"] == pytest.approx(found["sparsity"], abs=0.01)
    assert measured["structure"] == "mixed"
    made = Recipe.from_dict(found["recipe"], [*CRITERIA])
    assert made.settings() == found["settings"]


def test_capabilities_are_worked_out_where_they_matter(session: Session) -> None:
    plain = solve(session, ["sparsity=0.5"])
    assert session.store.find("capabilities") == []
    weighted = solve(session, ["sparsity=0.5"], values={"arithmetic": 3, "facts": 0})
    assert weighted["values"] == {"arithmetic": 3}
    assert "values" not in plain
    assert weighted["settings"] != plain["settings"]
    assert len(session.store.find("capabilities")) == 1
    with pytest.raises(PruningError, match="single weights, not for neurons"):
        solve(session, ["sparsity=0.5"], structure="neurons", values={"facts": 1})
    with pytest.raises(PruningError, match="no capability"):
        solve(session, ["sparsity=0.5"], values={"tact": 1})


@pytest.mark.usefixtures("time_by_weights")
def test_units_can_be_solved_for_speed(session: Session) -> None:
    answer = solve(session, ["speedup=1.02"], structure="neurons")
    assert Recipe.from_dict(answer["recipe"]).options().structure == "neurons"
    assert session.store.find("latency")
    assert answer["sparsity"] > 0


def test_a_recipe_of_settings_and_presets(session: Session) -> None:
    made = recipe(session, ["down@0=0.1"], preset="uniform=0.5", labels={"name": "half"}, protect="2")
    assert Recipe.from_dict(made["recipe"]).name == "half"
    assert session.plan(made["settings"])[0, "down"] == 0.1
    found = TASKS["measure"](session, made["settings"], protect="2")
    assert made["sparsity"] == pytest.approx(found["sparsity"], abs=0.005)
    assert "kept" not in made
    units = recipe(session, ["neurons=0.25"], structure="neurons")
    assert units["kept"] == [INNER * 3 // 4] * LAYERS
    with pytest.raises(PruningError, match="only neurons can go"):
        recipe(session, preset="uniform=0.5", structure="neurons")


def test_the_recipe_of_the_best_is_the_best_spec(session: Session) -> None:
    spec = best_spec(session, MaskOptions(), 0.4)
    made = Recipe.from_dict(recipe(session, best=0.4)["recipe"])
    assert tuple(made.settings()) == spec.settings
    assert made.criterion == "corrected"
    with pytest.raises(PruningError, match="levels of its own"):
        recipe(session, ["up=0.5"], best=0.4)
