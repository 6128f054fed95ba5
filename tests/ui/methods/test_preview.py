"""What the Methods page says would be kept: units counted and rounded, for models that differ."""

from streamlit.testing.v1 import AppTest

from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.methods.conftest import measure, take


def test_neurons_are_rounded_and_counted(page: AppTest, asked: list[dict]) -> None:
    take(page, "neurons")
    assert "**1,229 of 1,536 neurons** stay in every layer" in text_of(page)
    page.selectbox(key="method_round").set_value(256).run()
    assert "**1,280 of 1,536 neurons** stay in every layer" in text_of(page)
    assert "Rounded from 1,229" in text_of(page)
    page.toggle(key="method_compensate").set_value(False).run()
    arguments = measure(page, asked)
    assert arguments["settings"] == ["neurons=0.2"]
    assert {"structure": "neurons", "round_to": 256, "compensate": False}.items() <= arguments.items()


def test_heads_are_counted_and_kv_groups_too(page: AppTest, asked: list[dict]) -> None:
    take(page, "heads")
    said = text_of(page)
    assert "**7 of 9 heads** stay in every layer" in said
    assert "2 heads cannot come evenly from 3 KV groups" in said
    assert measure(page, asked)["settings"] == ["heads=0.222222"]
    page.number_input(key="method_level_heads_of_9").set_value(3).run()
    assert "come evenly" not in text_of(page)
    take(page, "kv_groups")
    assert "**2 of 3 KV groups** stay" in text_of(page)


def test_a_number_of_one_model_is_not_asked_of_another_with_fewer(page: AppTest, store: Store) -> None:
    take(page, "heads")
    page.number_input(key="method_level_heads_of_9").set_value(8).run()
    [row] = store.find("inspect")
    units = {"neurons": [64] * 30, "heads": [4] * 30, "kv_groups": [2] * 30}
    store.put("inspect", row["key"], {**row["value"], "units": units})
    page.run()
    assert not page.exception
    assert "**3 of 4 heads** stay" in text_of(page)


def test_heads_that_do_not_come_apart_are_told(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    [row] = store.find("inspect")
    value = {**row["value"], "units": {"neurons": [1536] * 30}, "no_heads": "The heads do not come apart."}
    store.put("inspect", row["key"], value)
    app = take(open_page("methods", model="demo"), "heads")
    assert "do not come apart" in app.error[0].value
    assert app.button(key="method_measure").disabled


def test_a_model_looked_at_before_units_were_counted(open_page: Open, store: Store) -> None:
    synthetic.put_model(store)
    [row] = store.find("inspect")
    value = {name: v for name, v in row["value"].items() if name not in ("units", "no_heads")}
    store.put("inspect", row["key"], value)
    app = take(open_page("methods", model="demo"), "heads")
    assert "told once the model has been loaded anew" in text_of(app)
    assert not app.button(key="method_measure").disabled
