"""The lights of a plan: why a form cannot be written, and a nearest plan that can."""

import pytest

from pruning.errors import PruningError
from pruning.planning.exports.model_facts import ModelFacts, of_config
from pruning.planning.exports.targets import RULES, Wanted, check_writable, light, lights
from pruning.planning.recipe.mask_options import MaskOptions, for_plan
from pruning.planning.recipe.plan import format_settings, parse_settings

SMOLLM = {
    "model_type": "llama",
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
}


def test_a_folder_whose_layers_differ_says_so() -> None:
    own = {"0": {"intermediate_size": 1000}, "29": {"num_attention_heads": 6, "num_key_value_heads": 2}}
    units = facts(per_layer_config=own).units
    assert (units["neurons"][0], units["neurons"][1], units["heads"][29]) == (1000, 1536, 6)
    assert (units["kv_groups"][28], units["kv_groups"][29]) == (3, 2)


def facts(**changes: object) -> ModelFacts:
    return of_config({**SMOLLM, **changes})


def wanted(about: ModelFacts, *settings: str, masked: bool = False, **options: object) -> Wanted:
    plan = parse_settings(settings, about.groups)
    return Wanted(about, plan, for_plan(MaskOptions.of(options), {kind for _, kind in plan}), masked=masked)


@pytest.mark.parametrize(
    ("settings", "reason", "nearest"),
    [
        (["up=0.5"], None, None),
        (["neurons=0.25", "heads=0.333333", "layers@3=1"], None, None),
        (
            ["neurons=0.25", "neurons@3=0.5"],
            "different numbers of neurons (768 to 1,152)",
            None,
        ),
        (["heads=0.222222"], "come evenly from its 3 KV groups; 6 or 9 would do", ["heads=0.333333"]),
        (["heads@1=0.333333"], "different numbers of heads (6 to 9)", None),
        (["heads@0-19=0.333333", "up=0.5"], "different numbers of heads", None),
        (["kv_groups=0.333333", "layers@0-9=1", "neurons@12=0.5"], "of neurons", None),
    ],
)
def test_a_smaller_folder(settings: list[str], reason: str | None, nearest: list[str] | None) -> None:
    about = facts()
    found = light("hf", wanted(about, *settings))
    if reason is None:
        assert (found.state, found.nearest) == ("loads", None)
        return
    assert reason in found.reason
    assert found.state == ("cannot" if nearest else "bundled code")
    if nearest:
        assert found.nearest is not None
        assert format_settings(found.nearest.plan, about.groups) == nearest
        assert light("hf", Wanted(about, found.nearest.plan)).state == "loads"
    else:
        assert found.nearest is None
        assert "trust_remote_code=True, Prunescope without" in found.reason


def test_llama_wants_a_divisor_and_mistral_does_not() -> None:
    eight = {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 8}
    found = light("hf", wanted(facts(**eight), "heads=0.125"))
    assert found.reason.startswith(
        "7 of 8 heads: Llama's configuration wants a divisor of 64; 4 or 8 would do."
    )
    assert found.state == "bundled code"
    assert light("hf", wanted(facts(**eight, model_type="mistral"), "heads=0.125")).state == "loads"
    gpt2 = light("hf", wanted(facts(**eight, model_type="opt"), "heads=0.125"))
    assert "has no place for another number; all must stay" in gpt2.reason


def test_what_was_found_when_a_strange_model_was_loaded_is_believed() -> None:
    units = {"neurons": {0: 8, 1: 8}, "heads": {0: 4, 1: 4}, "kv_groups": {0: 2, 1: 2}}
    strange = ModelFacts("martian", 32, 2, units, writable={"heads": [2], "kv_groups": []})
    assert light("hf", wanted(strange, "heads=0.5")).state == "loads"
    one = light("hf", wanted(strange, "heads=0.75"))
    assert one.state == "cannot"
    assert "martian's configuration has no place for another number; 2 would do" in one.reason
    with pytest.raises(PruningError, match="not known before the model was loaded"):
        of_config({"model_type": "martian"})


def test_a_compact_file_needs_zeros() -> None:
    about = facts()
    found = light("compact", wanted(about, "neurons=0.2", "heads=0.333333"))
    assert found.state == "cannot"
    assert found.nearest is not None
    levels = found.nearest.plan
    assert (levels[0, "qkv"], levels[0, "gate"], levels[0, "down"]) == (0.333333, 0.2, 0.2)
    assert light("compact", wanted(about, "neurons=0.2", "up=0.5")).state == "loads"
    assert light("compact", wanted(about, "neurons=0.2", masked=True)).state == "loads"
    assert light("compact", wanted(about, "layers@3=1")).nearest is None


def test_a_nearest_plan_is_one_that_the_options_allow() -> None:
    about = facts()
    found = light("hf", wanted(about, "heads=0.222222", protect="0-3"))
    assert "come evenly" in found.reason
    assert found.nearest is not None
    assert light("compact", wanted(about, "heads=0.333333")).nearest is not None


def test_export_is_refused_in_the_words_of_the_light() -> None:
    about = facts()
    asked = wanted(about, "heads=0.222222")
    with pytest.raises(PruningError) as refused:
        check_writable("hf", asked)
    assert str(refused.value).startswith(light("hf", asked).reason)
    assert "Nearest that fits: 6 of 9 heads in every layer; full-size with zeros" in str(refused.value)
    check_writable("hf", wanted(about, "heads=0.222222", masked=True))
    with pytest.raises(PruningError, match="There is no form"):
        check_writable("papyrus", asked)
    assert [row.target for row in lights(asked)] == list(RULES)


def test_layers_that_all_go_are_no_plan() -> None:
    with pytest.raises(PruningError, match="All layers would go"):
        light("hf", wanted(facts(), "layers=1"))


@pytest.mark.parametrize(
    ("target", "family", "settings", "nearest", "words"),
    [
        # Only heads stand in the way, in one layer: neurons of each layer's own stay, and so do other heads.
        (
            "hf",
            "llama",
            ["neurons@0-9=0.25", "heads@3=0.222222", "heads@5=0.333333", "up=0.5"],
            ["neurons@0-9=0.25", "heads@3,5=0.333333", "up=0.5"],
            "6 of 9 heads in layer 3",
        ),
        ("hf", "llama", ["heads=0.222222", "heads@3=0.777778"], ["heads=0.333333", "heads@3=0.666667"], None),
        # Here every layer must have as many neurons, and heads are as many already.
        (
            "gguf",
            "gemma2",
            ["neurons@0-14=0.25", "heads=0.333333"],
            ["neurons=0.125", "heads=0.333333"],
            "1,344 of 1,536 neurons in every layer",
        ),
        ("gguf", "gemma2", ["neurons=0.25", "heads@0-9=0.333333"], ["neurons=0.25"], None),
        (
            "gguf",
            "gemma2",
            ["neurons@0-14=0.25", "heads@0-19=0.333333"],
            ["neurons=0.125", "heads=0.333333"],
            "6 of 9 heads in every layer and 1,344 of 1,536 neurons in every layer",
        ),
        ("gguf", "phi3", ["neurons=0.25", "heads=0.333333"], ["neurons=0.25"], "all heads stay"),
        ("hf", "opt", ["neurons@1=0.25", "heads@2=0.333333"], ["neurons@1=0.25"], None),
    ],
)
def test_the_nearest_plan_changes_only_what_has_to_change(
    target: str, family: str, settings: list[str], nearest: list[str], words: str | None
) -> None:
    about = facts(model_type=family)
    found = light(target, wanted(about, *settings))
    assert found.state == "cannot"
    assert found.nearest is not None
    assert found.nearest.plan == parse_settings(nearest, about.groups)
    assert words is None or found.nearest.changes == words
    assert light(target, Wanted(about, found.nearest.plan)).state != "cannot"


def test_a_graph_holds_what_no_configuration_describes() -> None:
    by_layer = light("onnx", wanted(facts(), "neurons@3=0.5", "heads@0-4=0.333333", "layers@7=1"))
    assert by_layer.state == "loads"
    assert "of a width of their own each" in by_layer.reason
    gpt2 = facts(model_type="opt", hidden_size=64, num_attention_heads=8, num_key_value_heads=8)
    assert light("hf", wanted(gpt2, "heads=0.125")).state == "cannot"
    assert light("onnx", wanted(gpt2, "heads=0.125")).state == "loads"
    uneven = light("onnx", wanted(facts(), "heads=0.222222"))
    assert uneven.state == "cannot"
    assert uneven.reason == light("hf", wanted(facts(), "heads=0.222222")).reason
    assert uneven.nearest is not None
    assert light("onnx", Wanted(facts(), uneven.nearest.plan)).state == "loads"
    assert light("onnx", wanted(facts(), "heads=0.222222", masked=True)).state == "loads"
    assert light("onnx", wanted(facts(), "up=0.5")).state == "loads"
