"""The lights of a plan on Explore and Export: every form with its state, and a press that turns one green."""

import pytest

from pruning.planning.exports.llamacpp import NUMBERS
from pruning.planning.exports.targets import RULES
from pruning.ui.shared.exports import words
from pruning.ui.text.sizes import FORM
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, metric, text_of


def ready(store: Store) -> None:
    synthetic.put_model(store)
    synthetic.put_map(store, units=True)


def test_explore_says_where_the_plan_can_go_and_takes_the_nearest(open_page: Open, store: Store) -> None:
    ready(store)
    app = open_page("explore", model="demo", plan="heads=0.222222,up=0.2")
    said = text_of(app)
    assert all(f"{name}: " in said for name in FORM.values())
    assert "7 of 9 heads" in said
    near = app.button(key="nearest_hf")
    assert "6 of 9 heads in every layer · forecast KL" in said
    near.click().run()
    assert not app.exception
    assert "plan" in app.query_params
    assert "heads=0.333333" in "".join(app.query_params["plan"])
    assert "Model folder: loads" in text_of(app)


def test_there_is_no_row_for_nothing(open_page: Open, store: Store) -> None:
    ready(store)
    assert "Can be written as" not in text_of(open_page("explore", model="demo"))


def test_export_offers_every_form_and_says_why_one_cannot_be(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    ready(store)
    app = open_page("export", model="demo", plan="heads=0.222222")
    assert app.radio(key="export_form").options == [FORM[name] for name in RULES]
    assert "would not come evenly" in text_of(app)
    assert app.button(key="export_start").disabled
    app.toggle(key="export_masked").set_value(True).run()
    app.button(key="export_start").click().run()
    assert (asked[-1]["arguments"]["to"], asked[-1]["arguments"]["masked"]) == ("hf", True)


def test_words_are_written_whatever_the_plan(open_page: Open, store: Store, asked: list[dict]) -> None:
    ready(store)
    app = open_page("export", model="demo", plan="heads=0.222222")
    app.radio(key="export_form").set_value("script").run()
    app.button(key="export_start").click().run()
    assert asked[-1]["arguments"]["to"] == "script"
    assert "masked" not in asked[-1]["arguments"]


def test_every_form_has_its_words() -> None:
    assert set(FORM) == set(RULES) == set(words.WHAT_FORM)


def test_the_numbers_of_a_gguf_file_are_chosen_with_what_it_takes(
    open_page: Open, store: Store, asked: list[dict]
) -> None:
    ready(store)
    app = open_page("export", model="demo", plan="neurons=0.2")
    app.radio(key="export_form").set_value("gguf").run()
    field = app.selectbox(key="export_numbers")
    assert [option.partition(" ")[0] for option in field.options] == list(NUMBERS)
    assert field.value == "f16"
    assert "q8_0 · 8 bits · not of this plan" in field.options
    assert metric(app, "GGUF file") in next(option for option in field.options if option.startswith("f16"))
    field.set_value("q8_0").run()
    assert not app.exception
    assert "1,229 neurons, and q8_0 stores 32 weights of a row together: 1,216 or 1,248" in text_of(app)
    assert app.button(key="export_start").disabled
    app.button(key="nearest_q8_0").click().run()
    assert not app.exception
    assert "neurons=0.208333" in "".join(app.query_params["plan"])
    app.button(key="export_start").click().run()
    assert asked[-1]["arguments"]["quantize"] == "q8_0"


def test_the_number_format_of_a_folder_is_chosen(open_page: Open, store: Store, asked: list[dict]) -> None:
    ready(store)
    app = open_page("export", model="demo", plan="neurons=0.25")
    before = metric(app, "Model folder")
    app.selectbox(key="export_dtype").set_value("bfloat16").run()
    assert float(before.split()[0]) == pytest.approx(2 * float(metric(app, "Model folder").split()[0]), 0.01)
    app.button(key="export_start").click().run()
    assert asked[-1]["arguments"]["export_dtype"] == "bfloat16"


def test_a_graph_says_what_it_takes(open_page: Open, store: Store, asked: list[dict]) -> None:
    ready(store)
    app = open_page("export", model="demo", plan="heads=0.333333")
    app.radio(key="export_form").set_value("onnx").run()
    assert not app.exception
    assert "onnxruntime opens it" in text_of(app)
    assert metric(app, "Graph and weights") == "512 MB"
    app.button(key="export_start").click().run()
    assert asked[-1]["arguments"]["to"] == "onnx"
