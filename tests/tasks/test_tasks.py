"""The tasks, end to end on a tiny model: results, storage, resuming, and dense weights at the end."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pruning.engine.criteria import CRITERIA, criterion
from pruning.engine.masking.change import WeightChange, applied_change
from pruning.engine.masking.masks import criterion_inputs, plan_masks
from pruning.engine.models import save as exporting
from pruning.engine.models.load import Loaded, fingerprint, load
from pruning.errors import Cancelled, PruningError
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.tasks import TASKS, Session
from pruning.workspace.store import Store
from tests.support.tiny import HEADS, INNER, KV_HEADS

pytestmark = pytest.mark.usefixtures("dense_again")
LEVELS = [0.3, 0.6]
UPDATES = [("sparsegpt", "sparsegpt"), ("corrected", "sparsegpt_corrected")]


def recipe_of(session: Session, settings: list[str], criterion: str = "fisher") -> dict[str, Any]:
    groups = session.plan_groups()
    made = Recipe.from_plan(
        parse_settings(settings, groups),
        groups,
        ModelEntry(reference=session.loaded.reference, fingerprint=session.loaded.fingerprint),
        DataEntry(name=session.data),
        criterion,
    )
    return made.to_dict()


def test_inspect_counts_what_is_there(session: Session, loaded: Loaded, store: Store) -> None:
    found = TASKS["inspect"](session)
    assert found["layers"] == 3
    assert len(found["groups"]) == 15
    assert found["prunable_parameters"] == sum(group["parameters"] for group in found["groups"])
    assert found["parameters"] > found["prunable_parameters"]
    assert found["units"] == {"neurons": [INNER] * 3, "heads": [HEADS] * 3, "kv_groups": [KV_HEADS] * 3}
    assert found["no_heads"] is None
    assert store.find("inspect", reference=loaded.reference)[0]["value"] == found


def test_inspect_says_why_heads_do_not_come_apart(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def together(*_: Any) -> None:
        raise PruningError("The heads do not come apart.")

    monkeypatch.setattr("pruning.engine.architecture.units.find_heads", together)
    found = TASKS["inspect"](session)
    assert found["units"] == {"neurons": [INNER] * 3}
    assert found["no_heads"] == "The heads do not come apart."


def test_baseline_measures_quality_size_and_speed(session: Session, loaded: Loaded) -> None:
    found = TASKS["baseline"](session)
    assert found["perplexity"] > 1
    assert 0 <= found["accuracy"] <= 1
    assert found["prefill_ms"] > 0
    assert found["decode_ms"] > 0
    assert found["bytes"] == sum(4 * p.numel() for p in loaded.model.parameters())
    assert len(found["probes"]) == 5
    assert all(0 <= share <= 1 for share in found["probes"].values())


def test_map_is_stored_and_another_criterion_needs_no_data(
    session: Session, loaded: Loaded, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "map.json"
    made = TASKS["map"](session, criterion="fisher", levels=LEVELS, out=str(out))
    assert made["points"] == 30
    assert made["out"] == str(out)
    table = SensitivityMap.load(out)
    assert (table.kronecker > 0).all()
    assert (table.token > 0).all()
    assert store.find("map", fingerprint=loaded.fingerprint, criterion="fisher")

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the statistics were collected again")

    monkeypatch.setattr("pruning.engine.calibration.fisher.collect", forbidden)
    other = TASKS["map"](session, criterion="magnitude", levels=LEVELS)
    assert Path(other["out"]).is_file()
    assert other["map"]["kronecker"] != made["map"]["kronecker"]


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_every_criterion_has_a_map_and_can_be_measured(session: Session, name: str) -> None:
    table = SensitivityMap.from_dict(TASKS["map"](session, criterion=name, levels=LEVELS)["map"])
    assert (table.kronecker[:, 1] > table.kronecker[:, 0]).all()
    found = TASKS["measure"](session, settings=["all=0.3"], criterion=name)
    assert found["sparsity"] == pytest.approx(0.3, abs=0.01)
    assert found["kl"] > 0


def test_sweep_streams_stores_and_resumes(session: Session, loaded: Loaded, store: Store) -> None:
    chosen = {"criterion": "magnitude", "levels": LEVELS, "kinds": ["up", "down"]}
    seen: list[dict[str, Any]] = []

    def stop_after_three(done: float, total: float, note: str = "", partial: Any = None) -> None:
        if partial:
            seen.append(partial["point"])
            if len(seen) == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        TASKS["sweep"](session.reporting(stop_after_three), **chosen)
    assert fingerprint(loaded.model) == loaded.fingerprint
    assert len(store.find("sweep_point", fingerprint=loaded.fingerprint)) == 3
    found = TASKS["sweep"](session, **chosen)
    assert found["measured"] == 12 - 3
    assert len(found["points"]) == 12
    assert [point for point in found["points"] if point in seen] != []
    assert TASKS["sweep"](session, **chosen)["measured"] == 0


def test_sweep_refuses_what_the_model_has_not(session: Session) -> None:
    with pytest.raises(PruningError, match="no layer 7"):
        TASKS["sweep"](session, layers=[7])
    with pytest.raises(PruningError, match="no group gates"):
        TASKS["sweep"](session, kinds=["gates"])
    with pytest.raises(PruningError, match="1.2 is outside"):
        TASKS["sweep"](session, levels=[1.2])


def test_measure_agrees_with_the_plan_and_the_forecast_knows_its_size(
    session: Session, loaded: Loaded, store: Store, text: str
) -> None:
    table = SensitivityMap.from_dict(TASKS["map"](session, levels=LEVELS)["map"])
    found = TASKS["measure"](session, settings=["all=0.5", "up@0=0.25"])
    made = Forecaster.prior(table).forecast(parse_settings(found["settings"], table.groups))
    assert found["kl"] > 0
    assert 0 <= found["agreement"] <= 1
    assert found["sparsity"] == pytest.approx(made.sparsity)
    assert 0.4 < found["sparsity"] < 0.5
    assert found["bytes"] == pytest.approx(made.bytes, rel=1e-3)
    assert found["bytes"] < found["file_bytes"]
    assert math.isclose(found["dense_perplexity"], TASKS["baseline"](session)["perplexity"])
    nothing = TASKS["measure"](session, settings=[])
    assert nothing["kl"] == pytest.approx(0, abs=1e-6)
    assert nothing["agreement"] == 1.0
    assert store.find("measure", fingerprint=loaded.fingerprint, data=text)


def test_results_of_other_options_are_kept_apart(session: Session, loaded: Loaded, store: Store) -> None:
    asked: dict[str, Any] = {"settings": ["all=0.5"], "criterion": "magnitude"}
    plain = TASKS["measure"](session, **asked)
    half = TASKS["measure"](session, **asked, structure="n:m", pattern="2:4")
    spared = TASKS["measure"](session, **asked, protect="0-1")
    assert len({plain["kl"], half["kl"], spared["kl"]}) == 3
    assert half["sparsity"] == pytest.approx(0.5)
    assert spared["sparsity"] == pytest.approx(0.5 / 3)
    assert half["pattern"] == "2:4"
    assert "structure" not in plain
    rows = store.find("measure", fingerprint=loaded.fingerprint)
    assert len(rows) == 3
    # The key of a result without options is what it was before there were any.
    assert {"fingerprint", "data", "criterion", "settings"} in [set(row["key"]) for row in rows]
    default = store.find("measure", fingerprint=loaded.fingerprint, **MaskOptions().everywhere())
    assert [row["value"] for row in default] == [plain]


@pytest.mark.parametrize(
    ("name", "update"), [("sparsegpt", "sparsegpt"), ("corrected", "sparsegpt_corrected")]
)
def test_what_was_fitted_is_kept_for_the_next_task(
    session: Session, monkeypatch: pytest.MonkeyPatch, name: str, update: str
) -> None:
    asked: dict[str, Any] = {"settings": ["all=0.5"], "criterion": name}
    first = TASKS["measure"](session, **asked)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the weights were fitted again")

    monkeypatch.setattr(f"pruning.tasks.context.apply.{update}", forbidden)
    assert TASKS["measure"](session, **asked) == first
    with pytest.raises(AssertionError, match="fitted again"):
        TASKS["measure"](session, **{**asked, "settings": ["all=0.4"]})


def test_an_alias_is_stored_under_the_criterions_own_name(session: Session) -> None:
    first = TASKS["measure"](session, settings=["up=0.5"], criterion="sparsegpt-ec")
    assert first["criterion"] == "corrected"
    assert TASKS["measure"](session, settings=["up=0.5"], criterion="corrected") == first
    points = {"levels": [0.5], "layers": [0], "kinds": ["up"]}
    swept = [TASKS["sweep"](session, criterion=name, **points) for name in ("sparsegpt-ec", "corrected")]
    assert [result["measured"] for result in swept] == [1, 0]
    assert TASKS["map"](session, criterion="sparsegpt-ec", levels=[0.5])["map"]["criterion"] == "corrected"
    rows = [row for kind in ("map", "sweep_point") for row in session.store.find(kind)]
    assert {row["key"]["criterion"] for row in rows} == {"corrected"}


def test_an_export_holds_its_pattern(session: Session, tmp_path: Path) -> None:
    recipe = {**recipe_of(session, ["up=0.5"]), "structure": "n:m", "pattern": "2:4"}
    done = TASKS["export"](session, recipe=recipe, out=str(tmp_path / "pruned"))
    written = load(done["out"]).model.model.layers[0].mlp.up_proj.weight
    zeros = (written == 0).unflatten(1, (-1, 4)).sum(-1)
    assert (zeros == 2).all()


def test_sweep_and_generate_take_options(session: Session) -> None:
    chosen = {"criterion": "magnitude", "structure": "block", "block": "8x8"}
    asked = {"levels": [0.5], "layers": [0], "kinds": ["up"], "criterion": "magnitude"}
    single = TASKS["sweep"](session, **asked)["points"][0]["kl"]
    blocks = TASKS["sweep"](session, **{**asked, **chosen})
    assert blocks["measured"] == 1
    assert blocks["points"][0]["kl"] != single
    words = {"prompts": ["The river"], "plans": [["all=0.9"]], "max_new_tokens": 3}
    row = TASKS["generate"](session, **words, **chosen)["answers"][0]
    assert (row["structure"], row["block"]) == ("block", "8x8")


def test_generate_says_where_answers_part_and_how_far_each_token_drifts(session: Session) -> None:
    asked: dict[str, Any] = {
        "prompts": ["The river", "Boats"],
        "plans": [["all=0.9"], []],
        "criterion": "magnitude",
        "max_new_tokens": 6,
    }
    streamed: list[dict[str, Any]] = []

    def listen(done: float, total: float, note: str = "", partial: dict[str, Any] | None = None) -> None:
        assert 0 <= done <= total
        if partial:
            streamed.append(partial["answer"])

    rows = TASKS["generate"](session.reporting(listen), **asked)["answers"]
    assert [(row["prompt"], row["settings"]) for row in rows] == [
        (prompt, plan) for prompt in asked["prompts"] for plan in (["all=0.9"], [])
    ]
    assert sorted(map(json.dumps, streamed)) == sorted(map(json.dumps, rows))
    hurt, same = rows[0], rows[1]
    place = hurt["first_difference"]
    assert hurt["dense_tokens"][:place] == hurt["pruned_tokens"][:place]
    assert hurt["dense"] != hurt["pruned"]
    assert hurt["dense"] == "".join(hurt["dense_tokens"]).strip() == same["dense"]
    assert len(hurt["kl"]) == len(hurt["dense_tokens"]) <= 6
    assert sum(hurt["kl"]) > 0.1
    assert same["first_difference"] is None
    assert same["pruned"] == same["dense"]
    assert max(same["kl"]) == pytest.approx(0, abs=1e-6)


def test_the_drift_is_that_of_the_pruned_model_reading_the_dense_answer(
    session: Session, loaded: Loaded
) -> None:
    plan, prompt = ["all=0.6"], "The river had"
    asked = {"prompts": [prompt], "plans": [plan], "criterion": "magnitude", "max_new_tokens": 5}
    row = TASKS["generate"](session, **asked)["answers"][0]
    ids = loaded.tokenizer(prompt)["input_ids"]
    said = loaded.model.generate(torch.tensor([ids]), max_new_tokens=5, do_sample=False, pad_token_id=0)
    before = loaded.model(said).logits[0, len(ids) - 1 : -1].double().log_softmax(-1)
    levels = parse_settings(plan, session.plan_groups())
    masks = plan_masks(loaded.model, loaded.groups, criterion("magnitude"), levels, criterion_inputs())
    with applied_change(loaded.model, loaded.groups, WeightChange(masks)):
        after = loaded.model(said).logits[0, len(ids) - 1 : -1].double().log_softmax(-1)
    expected = (before.exp() * (before - after)).sum(-1).tolist()
    assert row["kl"] == pytest.approx(expected, rel=1e-3)


def test_generate_keeps_what_it_has_and_asks_only_for_the_rest(
    session: Session, loaded: Loaded, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"prompts": ["The river"], "criterion": "magnitude", "max_new_tokens": 4}
    count = 0

    def stop_in_the_second_plan(
        done: float, total: float, note: str = "", partial: dict[str, Any] | None = None
    ) -> None:
        nonlocal count
        count += partial is not None
        if count == 1 and note.startswith("all=0.6") and not partial:
            raise Cancelled

    plans = [["all=0.9"], ["all=0.6"]]
    with pytest.raises(Cancelled):
        TASKS["generate"](session.reporting(stop_in_the_second_plan), plans=plans, **asked)
    assert fingerprint(loaded.model) == loaded.fingerprint
    kept = store.find("answer", fingerprint=loaded.fingerprint)
    assert [row["value"]["settings"] for row in kept] == [["all=0.9"]]
    rows = TASKS["generate"](session, plans=plans, **asked)["answers"]
    assert rows[0] == kept[0]["value"]
    assert rows[1]["settings"] == ["all=0.6"]

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr("pruning.engine.evaluation.generation.generate_greedy", forbidden)
    # Another spelling of the same plans.
    again = [["all=0.5", "all=0.9"], ["qkv=0.1", "all=0.6"]]
    assert TASKS["generate"](session, plans=again, **asked)["answers"] == rows


def test_generate_refuses_what_cannot_be_answered(session: Session) -> None:
    for wrong, words in (
        ({"prompts": [" "], "plans": [[]]}, "prompt is empty"),
        ({"prompts": [], "plans": [[]]}, "prompt is empty"),
        ({"prompts": ["a"], "plans": [["up=1.2"]]}, "1.2 is outside"),
        ({"prompts": ["a"], "plans": [[]], "max_new_tokens": 0}, "Ask for 1 or more"),
        ({"prompts": ["a"], "plans": [[]], "max_new_tokens": 1000}, "Shorten the prompt"),
    ):
        with pytest.raises(PruningError, match=words):
            TASKS["generate"](session, criterion="magnitude", **wrong)


def test_export_loads_with_the_masked_models_logits(session: Session, loaded: Loaded, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out, recipe = tmp_path / "pruned", recipe_of(session, ["all=0.4", "down@1=0.8"])
    done = TASKS["export"](session, recipe=recipe, out=str(out))
    assert done["verified"] is True
    assert done["out"] == str(out)
    assert done["bytes"] == sum(path.stat().st_size for path in out.glob("*.safetensors"))
    assert Recipe.load(out / "recipe.yaml").to_dict() == recipe
    assert f"{done['kl']:.4f}" in (out / "README.md").read_text()
    model = AutoModelForCausalLM.from_pretrained(out)
    zeros = (model.model.layers[1].mlp.down_proj.weight == 0).float().mean()
    assert float(zeros) == pytest.approx(0.8, abs=0.01)
    assert AutoTokenizer.from_pretrained(out)("a river") == loaded.tokenizer("a river")
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []
    with pytest.raises(PruningError, match="exists already"):
        TASKS["export"](session, recipe=recipe, out=str(out))


def test_an_export_is_kept_under_its_whole_path(
    session: Session, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out="pruned")
    assert done["out"] == str(tmp_path / "pruned")
    assert store.find("export", out=str(tmp_path / "pruned"))


def test_export_to_the_workspace_by_name_stays_inside_it(session: Session, store: Store) -> None:
    recipe = recipe_of(session, ["up=0.5"])
    done = TASKS["export"](session, recipe=recipe, name="half-up")
    assert Path(done["out"]).parent == store.exports()
    for name in ("../outside", "/etc/x", "a/b", ""):
        with pytest.raises(PruningError):
            TASKS["export"](session, recipe=recipe, name=name)


@pytest.mark.parametrize("failure", ["differs", "full", "breaks"])
def test_a_failed_export_leaves_nothing(
    session: Session, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    if failure == "differs":
        truly = exporting.AutoModelForCausalLM.from_pretrained

        def load_other(*args: Any, **kwargs: Any) -> Any:
            model = truly(*args, **kwargs)
            model.get_output_embeddings().weight.data += 1e-3
            return model

        monkeypatch.setattr(exporting.AutoModelForCausalLM, "from_pretrained", load_other)
    elif failure == "full":
        monkeypatch.setattr(exporting, "SPARE_BYTES", 10**18)
    else:

        def no_space(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(loaded.tokenizer, "save_pretrained", no_space)
    words = {"differs": "differs from the one in memory", "full": "Make room", "breaks": "No space left"}
    out = tmp_path / "exports" / "pruned"
    with pytest.raises(PruningError, match=words[failure]):
        TASKS["export"](session, recipe=recipe_of(session, ["up=0.5"]), out=str(out))
    assert not out.exists()
    assert list(out.parent.iterdir()) == []


def test_a_recipe_for_another_model_is_refused(session: Session) -> None:
    recipe = recipe_of(session, ["up=0.5"])
    recipe["model"]["fingerprint"] = "0" * 16
    with pytest.raises(PruningError, match="another model"):
        TASKS["export"](session, recipe=recipe, name="x")


def test_results_are_plain_json(session: Session) -> None:
    for task, arguments in {
        "inspect": {},
        "map": {"levels": LEVELS},
        "sweep": {"levels": [0.5], "kinds": ["up"]},
        "measure": {"settings": ["up=0.5"]},
        "generate": {"prompts": ["The river"], "plans": [["up=0.5"]]},
    }.items():
        value = TASKS[task](session, **arguments)
        assert json.loads(json.dumps(value)) == value
