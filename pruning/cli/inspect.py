"""Commands that look at a model: fetch the demo one, say what it is made of, how good and how fast it is."""

import json
from pathlib import Path
from typing import Any

import click

from pruning.cli.options import (
    data_option,
    engine_options,
    errors_as_sentences,
    model_argument,
    model_options,
    prints,
)
from pruning.cli.reference.result_types import DemoResult
from pruning.cli.run import figures, finish, load, request_of, run_on, run_task, terminal_progress
from pruning.data_files.account import left_out
from pruning.jobs.stages import Course, Stage
from pruning.model_files.checkpoint import demo_folder
from pruning.planning.exports.llamacpp import PYTORCH
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.workspace.result_types.diff import DiffResult
from pruning.workspace.result_types.results import BaselineResult, InspectResult, LatencyResult
from pruning.workspace.result_types.text import TextResult
from pruning.workspace.results import ready_map
from pruning.workspace.store import Store

FETCHED = Course((Stage("fetch"), Stage("convert")))


@prints(DemoResult)
@click.command()
@click.option("--map", "with_map", is_flag=True, help="Also draw its map once, ready for the dashboard.")
@errors_as_sentences
def demo(with_map: bool) -> None:
    """Fetch the demo model (SmolLM2-135M-Instruct) once and print where it is."""
    path = demo_folder()
    # `make app` asks every time: what is there already should not wait for torch to be imported.
    if not path.is_dir():
        from pruning.engine.models.demo import demo_model

        with terminal_progress(course=FETCHED) as progress:
            path = demo_model(progress)
    origin = json.loads((path / "prunescope.json").read_text(encoding="utf-8"))["origin"]
    finish({"model": str(path), "origin": origin} | ({"map": str(_demo_map())} if with_map else {}))


def _demo_map() -> Path:
    """The demo model's map in the workspace; where there is none, the model is looked at and it is drawn."""
    store = Store()
    row = ready_map(store, "demo")
    if row is None:
        with terminal_progress(request_of("map", "demo", {})) as progress:
            loaded = load("demo", {}, progress)
            run_on(loaded, "inspect", progress)
            return Path(run_on(loaded, "map", progress)["out"])
    path = store.file("map", row["key"], ".json")
    if not path.exists():  # it was drawn into a file elsewhere
        SensitivityMap.from_dict(row["value"]).save(path)
    return path


@prints(InspectResult)
@click.command()
@model_argument
@model_options
@errors_as_sentences
def inspect(model: str, how: dict[str, Any]) -> None:
    """Say what a model is made of: its layers, and the groups that can be pruned."""
    result = run_task("inspect", model, how)
    labels = {
        "architecture": "architecture",
        "parameters": "parameters",
        "prunable_parameters": "of these prunable",
        "layers": "layers",
        "fingerprint": "fingerprint",
    }
    finish(result, figures(result, labels))


@prints(TextResult)
@click.command()
@model_argument
@data_option
@model_options
@errors_as_sentences
def text(model: str, data: str, how: dict[str, Any]) -> None:
    """Show what a text looks like to the model: samples, tokens, and what is left out of it."""
    result = run_task("text", model, how, data=data)
    lines = []
    for row in result["sources"]:
        kept = row["calibration_documents"] + row["evaluation_documents"]
        lines.append(
            f"{row['name']}, {row['share']:.0%} of the tokens: {kept:,} of {row['rows']:,} documents"
        )
        lines += [f"  left out: {left_out(row)}"] if left_out(row) else []
    for sample in result["samples"]:
        lines += ["", f"--- {sample['source']}", sample["text"] + (" …" if sample["cut"] else "")]
    finish(result, lines)


@prints(DiffResult)
@click.command()
@model_argument
@click.argument("other", metavar="OTHER")
@data_option
@model_options
@errors_as_sentences
def diff(model: str, other: str, data: str, how: dict[str, Any]) -> None:
    """Compare a model with what was made of it: what was pruned, layer by layer, and how far it drifted."""
    trust = {name: how[name] for name in ("trust_remote_code", "allow_pickle") if how[name]}
    result = run_task("diff", model, how, data=data, other=other, **trust)
    lines = [*(result["findings"] or ["Nothing shows that anything was pruned."])]
    for layer, (place, moved) in enumerate(zip(result["origin"], result["drift"], strict=True)):
        lines.append(
            f"layer {layer:>3} from {place:>3}  drift {moved['relative']:.3f}  cosine {moved['cosine']:.4f}"
        )
    labels = {"kl": "KL", "dense_perplexity": "perplexity of MODEL", "perplexity": "perplexity of OTHER"}
    finish(result, [*lines, *figures(result, labels)])


@prints(BaselineResult)
@click.command()
@model_argument
@data_option
@model_options
@errors_as_sentences
def baseline(model: str, data: str, how: dict[str, Any]) -> None:
    """Measure the dense model: perplexity, accuracy, size and speed."""
    result = run_task("baseline", model, how, data=data)
    labels = {
        "perplexity": "perplexity",
        "accuracy": "next-token accuracy",
        "probe_accuracy": "multiple-choice accuracy",
        "bytes": "bytes",
        "prefill_ms": "prefill, ms",
        "decode_ms": "decode, ms a token",
    }
    finish(result, figures(result, labels))


@prints(LatencyResult)
@click.command()
@model_argument
@click.option("--again", is_flag=True, help="Measure anew what was measured here before.")
@engine_options
@model_options
@errors_as_sentences
def latency(model: str, again: bool, engine: str, quantize: str, how: dict[str, Any]) -> None:
    """Time the model on this machine: dense, with fewer units, and in sparse formats; once, and kept.

    Times are for the number format of --dtype: bfloat16 is the faster one where the device has units for it.
    """
    result = run_task("latency", model, how, again=again, engine=engine, quantize=quantize)
    numbers = how["dtype"] if engine == PYTORCH else f"{quantize} in llama.cpp"
    lines = [f"{mode:<8} {ms:9.1f} ms dense, in {numbers}" for mode, ms in result["dense"].items()]
    for kind, shares in result["shares"].items():
        for mode in result["dense"]:
            saved = zip(shares, result["saved"][mode][kind], strict=True)
            by_share = ", ".join(f"{share:.0%} {ms:.2f}" for share, ms in saved if share)
            lines.append(f"{mode:<8} {kind}: ms a layer saves without a share: {by_share}")
    for row in result["sparse"]:
        speed = row.get("why_not") or f"prefill {row['prefill']:.2f}x, decode {row['decode']:.2f}x"
        lines.append(f"{row['format']:<4} {row['level']:.0%} zeros: {speed}")
    finish(result, lines)
