"""The Methods page's form: every structure's request, and mistakes."""

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.recipe.mask_options import MIXED, STRUCTURES
from pruning.ui.methods import chart
from pruning.ui.text import methods as method_words
from pruning.workspace import task_registry
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, go, text_of
from tests.ui.methods.conftest import end_jobs, measure, take


def test_there_is_a_sentence_for_every_structure() -> None:
    assert tuple(method_words.STRUCTURE_HELP) == STRUCTURES
    assert tuple(method_words.STRUCTURE) == tuple(chart.SYMBOL) == (*STRUCTURES, MIXED)


def test_one_press_measures_half_of_the_weights(page: AppTest, asked: list[dict]) -> None:
    assert "**50 % of the prunable weights** go" in text_of(page)
    assert measure(page, asked) == {
        "task": "measure",
        "settings": ["all=0.5"],
        "criterion": "fisher",
        "data": "demo",
    }
    assert task_registry.title("measure") in page.progress[0].text


def test_the_pattern_says_how_much_goes(page: AppTest, asked: list[dict]) -> None:
    take(page, "n:m", "wanda")
    page.text_input(key="method_pattern").set_value("1:4").run()
    arguments = measure(page, asked)
    assert arguments == {
        "task": "measure",
        "settings": ["all=0.75"],
        "criterion": "wanda",
        "data": "demo",
        "structure": "n:m",
        "pattern": "1:4",
    }


def test_blocks_have_no_criterion_that_changes_weights(page: AppTest, asked: list[dict]) -> None:
    take(page, "block", "l2")
    offered = next(box for box in page.selectbox if box.label == "Method").options
    assert not any("SparseGPT" in option for option in offered)
    page.text_input(key="method_block").set_value("1x64").run()
    arguments = measure(page, asked)
    assert (arguments["structure"], arguments["block"], arguments["settings"]) == (
        "block",
        "1x64",
        ["all=0.2"],
    )
    assert arguments["criterion"] == "l2"


def test_layers_are_found_or_named(page: AppTest, asked: list[dict]) -> None:
    take(page, "layers")
    assert measure(page, asked) == {
        "task": "best",
        "structure": "layers",
        "sparsity": 0.2,
        "data": "demo",
    }
    end_jobs(page)
    take(page, "layers", "named")
    assert page.button(key="method_measure").disabled
    assert "Name the layers to drop" in page.error[0].value
    page.text_input(key="method_level_layers_named").set_value("7,12-13").run()
    assert "**27 of 30 layers** stay" in text_of(page)
    arguments = measure(page, asked)
    assert (arguments["settings"], arguments["structure"]) == (["layers@7,12-13=1"], "layers")


@pytest.mark.parametrize("structure", ["unstructured", "neurons", "heads"])
def test_the_best_is_asked_for_with_a_share_alone(page: AppTest, asked: list[dict], structure: str) -> None:
    take(page, structure, "best")
    arguments = measure(page, asked)
    assert arguments["task"] == "best"
    assert arguments.get("structure", "unstructured") == structure
    assert arguments["sparsity"] == {"unstructured": 0.5, "neurons": 0.2, "heads": 0.333333}[structure]
    assert set(arguments) <= {"task", "structure", "sparsity", "data"}


def test_options_and_the_plan_of_explore(open_page: Open, store: Store, asked: list[dict]) -> None:
    synthetic.put_model(store)
    app = open_page("methods", model="demo", plan="up=0.5,down@0-3=0.1")
    take(app, "unstructured", "wanda")
    app.button(key="method_from_explore").click().run()
    app.text_input(key="method_protect").set_value("0,29")
    app.selectbox(key="method_scope_False").set_value("layer")
    app.number_input(key="method_ceiling").set_value(70.0).run()
    arguments = measure(app, asked)
    assert arguments["settings"] == ["up=0.5", "down@0-3=0.1"]
    options = {"criterion": "wanda", "protect": "0,29", "scope": "layer", "ceiling": 0.7}
    assert options.items() <= arguments.items()


@pytest.mark.parametrize(
    ("structure", "key", "text", "said"),
    [
        ("n:m", "method_pattern", "4:2", "cannot be read"),
        ("block", "method_block", "16", "cannot be read"),
        ("unstructured", "method_levels_groups", "up=2", "outside 0 to 0.95"),
        ("unstructured", "method_protect", "77", "there is no layer 77"),
        ("neurons", "method_levels_neurons", "up=0.5", "only neurons can go"),
        ("n:m", "method_levels_groups", "up=0.3", "The pattern 2:4 removes 0.5"),
    ],
)
def test_a_mistake_is_told_and_nothing_typed_is_lost(
    page: AppTest, structure: str, key: str, text: str, said: str
) -> None:
    take(page, structure)
    page.text_input(key=key).set_value(text).run()
    assert not page.exception
    assert said in page.error[0].value
    assert page.button(key="method_measure").disabled
    take(page, "layers")
    take(page, structure)
    assert page.text_input(key=key).value == text
    go(page, "runs")
    go(page, "methods")
    assert page.text_input(key=key).value == text
