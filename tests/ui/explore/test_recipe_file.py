"""Recipes dropped on the desk: ours at once, others through the engine, and what sliders cannot hold."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.explore import recipe_file
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of

LLM_COMPRESSOR = (
    "stage:\n  modifiers:\n    SparseGPTModifier:\n      sparsity: 0.5\n      mask_structure: '2:4'\n"
)


@pytest.fixture
def smap(store: Store) -> SensitivityMap:
    synthetic.put_model(store)
    synthetic.put_baseline(store)
    return synthetic.put_map(store, units=True)


def made(smap: SensitivityMap, settings: list[str], criterion: str, options: MaskOptions = DEFAULT) -> Recipe:
    groups = list(smap.groups)
    model = ModelEntry(reference="demo", fingerprint=synthetic.FINGERPRINT)
    plan = parse_settings(settings, groups)
    return Recipe.from_plan(plan, groups, model, DataEntry(name="demo"), criterion, options)


def drop(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key=recipe_file.FILE).set_value((name, content, "application/yaml")).run()
    assert not app.exception
    return app


def test_a_recipe_of_ours_is_on_the_sliders_and_can_be_undone(open_page: Open, smap: SensitivityMap) -> None:
    recipe = made(smap, ["neurons=0.2", "up@0-3=0.3"], "wanda").with_details(name="a")
    app = drop(open_page("explore", model="demo", plan="down=0.1"), "mine.yaml", recipe.dumps().encode())
    taken = parse_settings(app.query_params["plan"].split(","), list(smap.groups))
    assert taken == recipe.to_plan(list(smap.groups))
    assert app.query_params["criterion"] == "wanda"
    said = text_of(app)
    assert "mine" in said
    assert "a recipe of Prunescope" in said
    assert "Its plan is on the sliders" in said
    assert "other weights" not in said
    app.button(key="recipe_close").click().run()
    assert "a recipe of Prunescope" not in text_of(app)


def test_what_sliders_cannot_hold_is_measured_as_the_file_says(
    open_page: Open, smap: SensitivityMap, asked: list[dict]
) -> None:
    options = MaskOptions("n:m", "2:4", protect="0")
    recipe = made(smap, ["all=0.5"], "sparsegpt", options)
    app = drop(open_page("explore", model="demo", plan="down=0.1"), "a.yaml", recipe.dumps().encode())
    assert app.query_params["plan"] == "down=0.1"
    app.button(key="recipe_measure").click().run()
    (request,) = [one for one in asked if one["task"] == "measure"]
    arguments = request["arguments"]
    assert (arguments["criterion"], arguments["pattern"], arguments["protect"]) == ("sparsegpt", "2:4", "0")
    assert Recipe.from_dict(recipe.to_dict()).options() == MaskOptions.of(
        {name: arguments[name] for name in ("structure", "pattern", "protect")}
    )


def test_another_tools_file_is_read_by_the_engine_and_taken_once(
    open_page: Open, smap: SensitivityMap, asked: list[dict], store: Store
) -> None:
    app = drop(open_page("explore", model="demo"), "../theirs.yaml", LLM_COMPRESSOR.encode())
    (request,) = [one for one in asked if one["task"] == "import"]
    source = request["arguments"]["source"]
    assert source.startswith(str(store.root))
    assert Path(source).read_text() == LLM_COMPRESSOR
    (job,) = [job for job in store.jobs() if job.request["task"] == "import"]
    recipe = made(smap, ["up=0.5"], "wanda").to_dict()
    result = {"form": "a recipe of llm-compressor", "notes": ["lm_head is left out."], "recipe": recipe}
    store.update_job(job.id, state="done", result=result)
    app.run()
    assert app.query_params["plan"] == "up=0.5"
    said = text_of(app)
    assert "theirs" in said
    assert "llm-compressor" in said
    assert "lm\\_head is left out" in said
    app.button(key="recipe_close").click().run()
    assert "theirs" not in text_of(app)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "is not a text file"),
        (b"a: [1", "is not readable YAML"),
        (b"version: 2\nmodel: {}\nsparsity: {}\n", "has errors"),
    ],
)
def test_what_cannot_be_read_is_said_and_loses_nothing(
    open_page: Open, smap: SensitivityMap, asked: list[dict], content: bytes, said: str
) -> None:
    app = drop(open_page("explore", model="demo", plan="up=0.3"), "bad.yaml", content)
    assert said in "\n".join(str(one.value) for one in app.error)
    assert app.query_params["plan"] == "up=0.3"
    assert not [one for one in asked if one["task"] == "import"]


def test_a_recipe_of_another_model_is_said_to_be(open_page: Open, smap: SensitivityMap) -> None:
    recipe = made(smap, ["up=0.3"], "fisher").to_dict()
    recipe["model"] = {"reference": "somebody/else", "fingerprint": "another"}
    recipe["data"] = {"name": "wikitext"}
    app = drop(open_page("explore", model="demo"), "a.yaml", Recipe.from_dict(recipe).dumps().encode())
    said = text_of(app).replace("\\", "")
    assert "made for somebody/else, with other weights" in said
    assert "with the text wikitext" in said
