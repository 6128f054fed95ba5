"""What can be done with a result on the Methods page: open it on Explore, write it to disk."""

from typing import Any

from streamlit.testing.v1 import AppTest

from pruning.planning.recipe.recipe import Recipe
from tests.ui.conftest import text_of
from tests.ui.methods.conftest import choose, end_jobs


def exported(app: AppTest, asked: list[dict]) -> tuple[Recipe, dict[str, Any]]:
    app.button(key="method_export").click().run()
    assert not app.exception
    arguments = asked[-1]["arguments"]
    return Recipe.from_dict(arguments["recipe"]), arguments


def test_a_plain_plan_opens_on_explore(filled: AppTest) -> None:
    choose(filled, "50 % of weights, Magnitude")
    filled.button(key="method_open").click().run()
    assert not filled.exception
    assert filled.query_params["plan"] == "all=0.5"
    assert filled.query_params["criterion"] == "magnitude"


def test_what_explore_cannot_hold_says_so(filled: AppTest) -> None:
    choose(filled, "20 % of neurons")
    assert filled.button(key="method_open").disabled
    assert "A plan by hand has levels alone" in text_of(filled)
    choose(filled, "50 % of weights, Wanda, trained")
    assert filled.button(key="method_open").disabled


def test_neurons_are_written_smaller_or_with_zeros(filled: AppTest, asked: list[dict]) -> None:
    choose(filled, "20 % of neurons")
    recipe, arguments = exported(filled, asked)
    assert (recipe.structure, recipe.settings()) == ("unstructured", ["neurons=0.2"])
    assert "masked" not in arguments
    end_jobs(filled)
    next(one for one in filled.toggle if one.label == "Full-size, with zeros").set_value(True).run()
    assert exported(filled, asked)[1]["masked"] is True


def test_what_cannot_be_smaller_says_why_and_is_written_with_zeros(
    filled: AppTest, asked: list[dict]
) -> None:
    choose(filled, "2 of 9 heads")
    assert "2 heads do not come evenly from the KV groups" in text_of(filled)
    assert exported(filled, asked)[1]["masked"] is True


def test_a_recovered_model_is_written_with_its_recovery(filled: AppTest, asked: list[dict]) -> None:
    choose(filled, "50 % of weights, Wanda, trained")
    recipe, _ = exported(filled, asked)
    assert recipe.recovery == {"steps": 60}
