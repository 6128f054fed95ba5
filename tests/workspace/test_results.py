"""Every reader of stored results refuses an older text, another model, number format and device."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pruning.benchmarks import synthetic
from pruning.cli import main
from pruning.data_files.source import stamp_of
from pruning.planning.cost.latency_table import processor
from pruning.workspace import results
from pruning.workspace.results import Subject
from pruning.workspace.runs import runs
from pruning.workspace.store import Store

MAP = synthetic.sensitivity_map(layers=2)
SUBJECT = Subject.of_map(MAP)
ABOUT = {"fingerprint": MAP.fingerprint, "data": MAP.data}
STAMP = {"data_fingerprint": MAP.data_fingerprint}
CRITERION = {"criterion": MAP.criterion}
PLAN = {**STAMP, "settings": ["up=0.5"], "kl": 0.3}
PLACE = {"fingerprint": MAP.fingerprint, "dtype": "float32", "device": "cpu", "threads": 2}
COSTS = {"capabilities": {"facts": MAP.kronecker.tolist()}, "levels": list(MAP.levels)}
CAPABILITIES = {**STAMP, **CRITERION, **COSTS, "groups": [list(group) for group in MAP.groups]}

# By reader: how it reads, and the kind, key and value of a row that it takes.
READERS: dict[str, tuple[Callable[[Store], Any], str, dict[str, Any], dict[str, Any]]] = {
    "about": (lambda s: results.about(s, "ladder", SUBJECT), "ladder", {**ABOUT, **STAMP}, {"rows": []}),
    "stored": (
        lambda s: results.stored(s, "measure", {**ABOUT, **CRITERION}, MAP.data_fingerprint),
        "measure",
        {**ABOUT, **CRITERION},
        PLAN,
    ),
    "best_map": (
        lambda s: results.best_map(s, SUBJECT, MAP.criterion),
        "map",
        {**ABOUT, **CRITERION},
        MAP.to_dict(),
    ),
    "capability_map": (
        lambda s: results.capability_map(s, MAP),
        "capabilities",
        {**ABOUT, **CRITERION},
        CAPABILITIES,
    ),
    "outlier_shares": (
        lambda s: results.outlier_shares(s, MAP),
        "outliers",
        {**ABOUT, **STAMP},
        {"layers": [0, 1], "shares": [0.1, 0.2]},
    ),
    "of_map": (lambda s: results.of_map(s, "measure", MAP), "measure", {**ABOUT, **CRITERION}, PLAN),
    "measurements": (
        lambda s: results.measurements(s, MAP),
        "measure",
        {**ABOUT, **CRITERION},
        PLAN,
    ),
    "answers": (
        lambda s: results.answers(s, MAP),
        "answer",
        {**ABOUT, **STAMP, **CRITERION, "prompt": "Why?"},
        {"prompt": "Why?", "settings": ["up=0.5"]},
    ),
    "measured_plans": (
        lambda s: results.measured_plans(s, MAP),
        "measure",
        {**ABOUT, **CRITERION},
        PLAN,
    ),
    "forecaster": (
        lambda s: results.forecaster(s, MAP).fit.measured,
        "measure",
        {**ABOUT, **CRITERION},
        PLAN,
    ),
    "measured_rows": (
        lambda s: results.measured_rows(s, SUBJECT, ("measure", "measure_recovered")),
        "measure_recovered",
        {**ABOUT, **CRITERION},
        PLAN,
    ),
    "baseline": (
        lambda s: results.baseline(s, SUBJECT, "cpu"),
        "baseline",
        {**ABOUT, "device": "cpu"},
        {**STAMP, "device": "cpu", "perplexity": 30.0},
    ),
    "impact": (
        lambda s: results.impact(s, SUBJECT, "cpu"),
        "impact",
        {**ABOUT, **STAMP, "device": "cpu"},
        {"kl": 1.0},
    ),
    "latency": (
        lambda s: results.latency(s, MAP.fingerprint, "float32", "cpu"),
        "latency",
        {**PLACE, "machine": processor()},
        {"dense": {"prefill": 1.0}},
    ),
}
TIMED = ("impact", "latency")


def changed(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The row with those of the fields that it has set anew."""
    return row | {name: value for name, value in fields.items() if name in row}


def test_every_reader_has_a_row() -> None:
    public = {
        name
        for name, value in vars(results).items()
        if callable(value) and getattr(value, "__module__", "") == results.__name__ and name[0] != "_"
    }
    apart = {
        "Subject",
        "Measurement",
        "Answered",
        "put_text",
        "latest_subject",
        "inspected",
        "computed",
        "ready_map",
        "exports",
    }
    assert public - apart == set(READERS)


@pytest.mark.parametrize("name", READERS)
def test_a_row_about_this_very_subject_is_taken(name: str, store: Store) -> None:
    read, kind, key, value = READERS[name]
    assert not read(store)
    store.put(kind, key, value)
    assert read(store)


@pytest.mark.parametrize("name", [name for name in READERS if name != "latency"])
def test_an_older_text_of_the_same_name_is_refused(name: str, store: Store) -> None:
    read, kind, key, value = READERS[name]
    store.put(kind, changed(key, data_fingerprint="older"), changed(value, data_fingerprint="older"))
    assert not read(store)


@pytest.mark.parametrize("name", READERS)
def test_another_model_or_number_format_is_refused(name: str, store: Store) -> None:
    """The fingerprint of the weights covers their number format; what is timed names it besides."""
    read, kind, key, value = READERS[name]
    store.put(kind, changed(key, fingerprint="0" * 16), value)
    if "dtype" in key:
        store.put(kind, changed(key, dtype="bfloat16"), value)
    assert not read(store)


@pytest.mark.parametrize("name", TIMED)
def test_times_of_another_device_are_refused(name: str, store: Store) -> None:
    read, kind, key, value = READERS[name]
    store.put(kind, changed(key, device="cuda:0"), value)
    assert not read(store)


def test_times_of_another_machine_are_refused(store: Store) -> None:
    read, kind, key, value = READERS["latency"]
    store.put(kind, changed(key, machine="Another processor, 64 cores"), value)
    assert not read(store)


def test_a_baseline_keeps_its_quality_and_not_the_times_of_another_device(store: Store) -> None:
    value = {**STAMP, "perplexity": 30.0, "prefill_ms": 5.0, "decode_ms": 1.0}
    store.put("baseline", {**ABOUT, "device": "cuda:0"}, {**value, "device": "cuda:0"})
    assert results.baseline(store, SUBJECT, "cuda:0")["prefill_ms"] == 5.0
    here = results.baseline(store, SUBJECT, "cpu")
    assert here["perplexity"] == 30.0
    assert not {"prefill_ms", "decode_ms"} & set(here)


def test_a_fingerprint_covers_the_number_format(llama: Any) -> None:
    import torch

    from pruning.engine.models.fingerprint import computed_fingerprint

    assert computed_fingerprint(llama) != computed_fingerprint(llama.to(torch.bfloat16))


def test_the_subject_is_the_text_that_was_met_last(store: Store) -> None:
    assert results.latest_subject(store, MAP.fingerprint, "demo") is None
    store.put("map", {**ABOUT, **CRITERION}, MAP.to_dict())
    assert results.latest_subject(store, MAP.fingerprint, MAP.data) == SUBJECT
    newer = {**ABOUT, "data_fingerprint": "newer", "levels": [0.5]}
    store.put("ladder", newer, {"rows": []})
    assert results.latest_subject(store, MAP.fingerprint, MAP.data).data_fingerprint == "newer"
    assert results.latest_subject(store, MAP.fingerprint, "another.txt") is None


def test_figures_of_an_older_text_vanish_until_the_new_one_is_read(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one")
    data = str(path)
    older = Subject("f", data, "older")
    results.put_text(store, older, stamp_of(data))
    store.put("measure", {"fingerprint": "f", "data": data}, {"data_fingerprint": "older", "kl": 1.0})
    assert results.latest_subject(store, "f", data) == older
    path.write_text("another")
    assert results.latest_subject(store, "f", data) is None
    assert results.measured_rows(store, results.latest_subject(store, "f", data)) == []
    results.put_text(store, Subject("f", data, "newer"), stamp_of(data))
    assert results.latest_subject(store, "f", data) == Subject("f", data, "newer")
    assert results.measured_rows(store, results.latest_subject(store, "f", data)) == []


def test_an_older_text_that_is_read_again_has_its_figures_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one")
    data = str(path)
    store.put("measure", {"fingerprint": "f", "data": data}, {"data_fingerprint": "older", "kl": 1.0})
    store.put("map", {"fingerprint": "f", "data": data}, {"data_fingerprint": "newer"})
    results.put_text(store, Subject("f", data, "older"), stamp_of(data))
    [row] = results.measured_rows(store, results.latest_subject(store, "f", data))
    assert row["value"]["kl"] == 1.0


def test_a_text_that_is_no_file_any_more_keeps_its_figures(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one")
    subject = Subject("f", str(path), "it")
    results.put_text(store, subject, stamp_of(str(path)))
    path.unlink()
    assert results.latest_subject(store, "f", str(path)) == subject
    results.put_text(store, Subject("f", "demo", "it"), None)
    assert results.latest_subject(store, "f", "demo") == Subject("f", "demo", "it")


def test_what_text_was_read_is_no_run(store: Store) -> None:
    results.put_text(store, SUBJECT, None)
    assert runs(store) == []


# ---- the command line -------------------------------------------------------------------------------


@pytest.mark.parametrize("stale", [False, True])
def test_the_command_line_learns_from_this_very_text_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stale: bool
) -> None:
    """`forecast` and `solve` say the same whether or not an older text's measurement lies beside."""
    recipe = str(tmp_path / "recipe.yaml")
    monkeypatch.setenv("PRUNESCOPE_HOME", str(tmp_path / "home"))
    MAP.save(tmp_path / "map.json")
    map_file = str(tmp_path / "map.json")
    store = Store(tmp_path / "home")
    told = [("up=0.5", 0.3, MAP.data_fingerprint)] + [("down=0.5", 9.0, "older")] * stale
    for settings, kl, stamp in told:
        key = {**ABOUT, **CRITERION, "settings": [settings]}
        store.put("measure", key, {"settings": [settings], "kl": kl, "data_fingerprint": stamp})
    solved = CliRunner().invoke(main, ["solve", map_file, "--target", "sparsity=0.4", "--out", recipe])
    assert solved.exit_code == 0, solved.output
    said = CliRunner().invoke(main, ["forecast", map_file, recipe])
    assert said.exit_code == 0, said.output
    figures = json.loads(said.stdout.splitlines()[-1])
    assert figures["measured"] == 1
    kl = json.loads(solved.stdout.splitlines()[-1])["kl"]
    assert kl == pytest.approx(figures["kl"])
