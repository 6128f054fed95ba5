"""What the Methods page says would be kept: units counted and rounded, for models that differ."""

from streamlit.testing.v1 import AppTest

from pruning.ui.text import methods as method_words
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
    assert "**6 of 9 heads** stay in every layer" in text_of(page)
    assert measure(page, asked)["settings"] == ["heads=0.333333"]
    take(page, "kv_groups")
    assert "**2 of 3 KV groups** stay" in text_of(page)
    assert method_words.SMALLER in text_of(page)


def test_the_default_can_be_written_smaller_and_the_badge_tells_of_any_other(page: AppTest) -> None:
    take(page, "heads")
    field = page.number_input(key="method_level_heads_of_9")
    assert field.value == 3, "a head of each of the three KV groups"
    assert method_words.SMALLER in text_of(page)
    for count, others in ((1, [3]), (2, [3]), (4, [3, 6]), (5, [3, 6]), (7, [6, 8])):
        page.number_input(key="method_level_heads_of_9").set_value(count).run()
        said = text_of(page)
        assert method_words.FULL_SIZE in said
        assert method_words.SMALLER not in said
        assert "come evenly from 3 KV groups" in said
        assert f"can be written smaller: {' or '.join(map(str, others))}." in said
        assert [b.label for b in page.button if "instead" in b.label] == [
            f"Remove {other} heads instead" for other in others
        ]
    page.button(key="method_instead_heads_6").click().run()
    assert page.number_input(key="method_level_heads_of_9").value == 6
    assert method_words.SMALLER in text_of(page)
    assert method_words.FULL_SIZE not in text_of(page)


def test_what_the_family_has_no_configuration_for_is_said(page: AppTest, store: Store) -> None:
    """Llama's number of heads divides its width: of eight, two can be kept, and three cannot."""
    with_units(store, {"heads": [4, 6, 7], "kv_groups": [4, 6, 7]})
    take(page, "heads")
    assert page.number_input(key="method_level_heads_of_8").value == 4
    page.number_input(key="method_level_heads_of_8").set_value(5).run()
    assert "no configuration for 3 of 8 heads" in text_of(page)
    assert "smaller: 4 or 6." in text_of(page)
    with_units(store, {"heads": [], "kv_groups": []})
    page.run()
    assert "Neurons and layers can be written smaller" in text_of(page)
    assert method_words.FULL_SIZE in text_of(page)


def with_units(store: Store, writable: dict[str, list[int]]) -> None:
    """As if the model had eight heads, each with keys and values of its own."""
    [row] = store.find("inspect")
    units = {"neurons": [64] * 30, "heads": [8] * 30, "kv_groups": [8] * 30}
    store.put("inspect", row["key"], {**row["value"], "units": units, "writable": writable})


def test_levels_by_layer_are_written_smaller_and_the_best_heads_with_zeros(page: AppTest) -> None:
    take(page, "neurons")
    assert method_words.SMALLER in text_of(page)
    page.text_input(key="method_levels_neurons").set_value("neurons@0-3=0.1").run()
    assert method_words.SMALLER in text_of(page)
    take(page, "heads", "best")
    assert method_words.FULL_SIZE in text_of(page)
    take(page, "neurons", "best")
    assert method_words.BUNDLED in text_of(page)
    assert method_words.FULL_SIZE not in text_of(page)
    take(page, "layers")
    assert method_words.SMALLER in text_of(page)
    take(page, "unstructured")
    assert method_words.ZEROS in text_of(page)


def test_a_model_loaded_before_that_was_found_out_goes_by_its_kv_groups(page: AppTest, store: Store) -> None:
    [row] = store.find("inspect")
    value = {name: fact for name, fact in row["value"].items() if name != "writable"}
    store.put("inspect", row["key"], value)
    take(page, "heads")
    assert page.number_input(key="method_level_heads_of_9").value == 3
    page.number_input(key="method_level_heads_of_9").set_value(2).run()
    assert method_words.FULL_SIZE in text_of(page)


def test_a_number_of_one_model_is_not_asked_of_another_with_fewer(page: AppTest, store: Store) -> None:
    take(page, "heads")
    page.number_input(key="method_level_heads_of_9").set_value(8).run()
    [row] = store.find("inspect")
    units = {"neurons": [64] * 30, "heads": [4] * 30, "kv_groups": [2] * 30}
    writable = {"heads": [2], "kv_groups": [1]}
    store.put("inspect", row["key"], {**row["value"], "units": units, "writable": writable})
    page.run()
    assert not page.exception
    assert "**2 of 4 heads** stay" in text_of(page)


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
