"""What capabilities lean on, on the pages: the pictures on Sensitivity, and the values on Optimize."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from pruning.cli import main
from pruning.planning.forecast.capability_map import ABILITIES, CapabilityMap
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import parse_settings
from pruning.ui.sensitivity import capabilities as capabilities_section
from pruning.ui.sensitivity import capability_chart
from pruning.ui.text import format, labels
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of
from tests.ui.optimize.test_page import command_of, plan_of, press, wish
from tests.ui.sensitivity.test_page import figures


@pytest.fixture
def table(store: Store) -> SensitivityMap:
    return synthetic.put_all(store)


def leaning_figures(app: AppTest) -> list[dict]:
    """The pictures of capabilities: heat maps without a scale of their own."""
    return [one for one in figures(app) if one["data"][0].get("showscale") is False]


# ---- Sensitivity ------------------------------------------------------------------------------------


def test_without_a_result_there_is_a_button_with_its_command(
    open_page: Open, asked: list[dict], table: SensitivityMap, store: Store
) -> None:
    synthetic.put_capabilities(store, table, data_fingerprint="an older text")
    synthetic.put_map(store)
    app = open_page("capabilities", model="demo")
    assert not leaning_figures(app), "figures of another text are not shown"
    assert "prunescope capabilities demo" in [code.value for code in app.code]
    app.button(key="find_leanings").click().run()
    assert not app.exception
    assert [request["task"] for request in asked] == ["capabilities"]
    assert asked[0]["arguments"] == {"criterion": "fisher", "data": "demo"}
    assert app.button(key="find_leanings").disabled, "it is on its way"


def test_every_capability_has_a_picture_and_a_sentence(
    open_page: Open, table: SensitivityMap, store: Store
) -> None:
    synthetic.put_capabilities(store, table)
    app = open_page("capabilities", model="demo")
    assert not any(button.key == "find_leanings" for button in app.button)
    assert len(leaning_figures(app)) == len(ABILITIES)
    said = text_of(app)
    assert "**Where 50 % less hurts each ability** :blue-badge[forecast]" in said
    assert "More than the others it leans on **Attention QKV** in layers" in said
    app.select_slider(key="lean_level").set_value(0.8)
    app.segmented_control(key="lean_way").set_value(capability_chart.ALONE)
    app.run()
    assert not app.exception
    assert "**Where 80 % less hurts each ability**" in text_of(app)


def test_what_was_cancelled_is_shown_and_can_be_finished(
    open_page: Open, asked: list[dict], table: SensitivityMap, store: Store
) -> None:
    first = {"facts": table.cost.tolist(), "grammar": table.cost.tolist()}
    synthetic.put_capabilities(store, table, capabilities=first)
    app = open_page("capabilities", model="demo")
    assert len(leaning_figures(app)) == 2
    said = text_of(app)
    assert "Not worked out yet: common sense, arithmetic, reading, code." in said
    assert "It leans on the same groups as the others." in said
    assert app.button(key="find_leanings").label == "Work out the rest"


def test_the_picture_shows_how_many_times_the_others_share_it_is() -> None:
    groups = [(layer, kind) for layer in range(3) for kind in ("qkv", "down")]
    shares, others = np.array([0.4, 0.1, 0.2, 0.1, 0.1, 0.1]), np.array([0.1, 0.2, 0.2, 0.2, 0.2, 0.1])
    figure = capability_chart.leaning(groups, shares, others, outlined=[(0, "qkv")])
    heat = figure.data[0]
    assert np.allclose(np.exp(heat.z), [[4, 1, 0.5], [0.5, 0.5, 1]])
    assert np.isclose(heat.zmin, -heat.zmax), "the middle colour is as much as the others"
    assert "40.0 % of what is lost<br>4 times the others' 10.0 %" in heat.text[0][0]
    assert [(shape.x0, shape.y0) for shape in figure.layout.shapes] == [(-0.5, -0.5)]
    alone = capability_chart.leaning(groups, shares / 10, others, capability_chart.ALONE).data[0]
    assert np.allclose(np.exp(alone.z), np.array([[0.04, 0.02, 0.01], [0.01, 0.01, 0.01]]))


def test_the_sentence_names_groups_by_kind_and_what_they_carry() -> None:
    smap = synthetic.sensitivity_map(layers=6)
    capabilities = CapabilityMap.from_dict(synthetic.leanings(smap))
    said = capabilities_section.sentence(capabilities, "facts", 0.5)
    assert said.startswith("More than the others it leans on ")
    for kind in ("qkv", "attn_out", "gate", "up", "down"):
        assert f"**{labels.kind(kind)}** in layer 5" in said
    rows = [row for row, (layer, _) in enumerate(smap.groups) if layer == 5]
    assert f"There lie {format.percent(capabilities.shares('facts', 0.5)[rows].sum())} of its loss" in said
    assert capabilities_section.places([(3, "up"), (1, "qkv"), (2, "up")]) == (
        "**MLP up** in layers 2–3 and **Attention QKV** in layer 1"
    )


# ---- Optimize ---------------------------------------------------------------------------------------


def test_values_wait_until_it_is_known_what_they_spare(
    open_page: Open, asked: list[dict], table: SensitivityMap
) -> None:
    app = open_page("optimize", model="demo")
    assert not [one for one in app.slider if one.key.startswith("optimize_value_")]
    press(app, "leanings")
    assert [request["task"] for request in asked] == ["capabilities"]


def test_a_value_makes_another_plan_whose_figures_are_the_map_s(
    open_page: Open, table: SensitivityMap, store: Store, tmp_path: Path
) -> None:
    synthetic.put_capabilities(store, table)
    app = open_page("optimize", model="demo")
    before = plan_of(press(wish(app, share=45.0), "use"), table)
    assert "--value" not in command_of(app)
    app.slider(key="optimize_value_arithmetic").set_value(3.0).run()
    assert not app.exception
    assert not app.error
    words_ = shlex.split(command_of(app))[1:]
    assert words_[words_.index("--value") + 1] == "arithmetic=3"
    said = text_of(app)
    assert "Arithmetic loses **" in said
    assert " less** than with the best plan that minds ordinary text alone" in said
    after = plan_of(press(app, "use"), table)

    def mean(plan: dict) -> float:
        return float(np.mean([plan.get((layer, "qkv"), 0.0) for layer in range(30)]))

    assert mean(after) < mean(before)
    rows = [row["value"] for row in store.find("measure", criterion="fisher")]
    measured = [(parse_settings(v["settings"], table.groups), v["kl"]) for v in rows]
    forecaster = Forecaster.fitted(table, measured)
    seen = forecaster.forecast(after)
    assert f"KL {format.kl(seen.kl)} (" in said, "the KL of the plan by the map alone"
    assert seen.kl > forecaster.forecast(before).kl
    # The command makes the same plan.
    table.save(tmp_path / "map.json")
    words_[1], words_[-1] = str(tmp_path / "map.json"), str(tmp_path / "recipe.yaml")
    told = CliRunner().invoke(main, words_)
    assert told.exit_code == 0, told.output
    settings = json.loads(told.stdout.strip().splitlines()[-1])["settings"]
    assert parse_settings(settings, table.groups) == after
    app.slider(key="optimize_value_arithmetic").set_value(0.0).run()
    assert plan_of(press(app, "use"), table) == before


def test_values_need_a_size_beside_a_quality(open_page: Open, table: SensitivityMap, store: Store) -> None:
    synthetic.put_capabilities(store, table)
    app = open_page("optimize", model="demo")
    app.slider(key="optimize_value_facts").set_value(1.0)
    wish(app, share=None, kl=0.3)
    assert "say how much has to go as well: a sparsity, a size" in app.error[0].value
    wish(app, share=30.0)
    assert not app.error
