"""Commands that write: a recipe, and the pruned model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pruning.cli.options import (
    criterion_option,
    data_option,
    errors_as_sentences,
    mask_options,
    model_argument,
    model_options,
    prints,
    settings_option,
)
from pruning.cli.reference.result_types import (
    CheckResult,
    ImportResult,
    PushResult,
    RecipeResult,
    UnpackResult,
)
from pruning.cli.run import figures, finish, load, request_of, run_on, run_task, terminal_progress
from pruning.errors import PruningError
from pruning.files import write_text
from pruning.planning.exports.gguf_numbers import number_lights
from pruning.planning.exports.llamacpp import NUMBERS
from pruning.planning.exports.model_facts import ModelFacts, of_inspection
from pruning.planning.exports.read_facts import facts_of
from pruning.planning.exports.targets import CANNOT, RULES, Light, Wanted, lights
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import format_settings
from pruning.planning.recipe.presets import PRESETS
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace.result_types.results import ExportResult
from pruning.workspace.results import inspected
from pruning.workspace.store import Store


@prints(RecipeResult)
@click.command()
@model_argument
@criterion_option
@click.option(
    "--strategy",
    metavar="NAME=LEVEL[,NUMBER=VALUE]",
    help=f"Start from a ready plan ({', '.join(PRESETS)}), like ramp=0.3,first_times=0; --set changes it.",
)
@settings_option
@click.option("--best", is_flag=True, help="Make the best recipe we know how to, for a --sparsity.")
@click.option(
    "--sparsity",
    type=float,
    help="With --best: the share of weights (or of neurons, heads, ...) to remove.",
)
@mask_options
@data_option
@click.option("--name", help="A name for the recipe.")
@click.option("--notes", help="Anything to remember with it.")
@click.option("--out", required=True, help="The YAML file to write.")
@model_options
@errors_as_sentences
def recipe(model: str, out: str, how: dict[str, Any], **words: Any) -> None:
    """Write a recipe, for example with --set up=0.5 --set down@0-3=0.1, or --best --sparsity 0.5."""
    from pruning.tasks import Session
    from pruning.tasks.recipe import recipe as make_recipe

    best, sparsity, preset = words["best"], words["sparsity"], words["strategy"]
    options: MaskOptions = words["options"]
    _check_best(best, sparsity, bool(words["settings"] or preset))
    task = "recipe" if best else "inspect"
    asked = request_of("recipe", model, how, data=words["data"], best=sparsity, **options.changed())
    with terminal_progress(asked) as progress:
        result = make_recipe(
            Session(load(model, how, progress, task), Store(), words["data"], progress),
            settings=words["settings"],
            criterion=words["criterion"],
            preset=preset,
            best=sparsity,
            labels={name: words[name] for name in ("name", "notes")},
            **options.changed(),
        )
    write_text(out, Recipe.from_dict(result.pop("recipe")).dumps())
    result = {"out": out, **result}
    lines = figures(result, {"out": "recipe", "sparsity": "sparsity"})
    for kind, kept in result.get("kept_units", {}).items():
        lines.append(f"{kind} that stay, by layer: {' '.join(map(str, kept))}")
    finish(result, lines)


@prints(ImportResult)
@click.command(name="import")
@model_argument
@click.argument("source", metavar="FILE")
@click.option("--criterion", help="What chooses weights, in place of what the file says.")
@click.option("--name", help="A name for the recipe.")
@data_option
@click.option("--out", required=True, help="The YAML file to write.")
@model_options
@errors_as_sentences
def import_(model: str, source: str, out: str, how: dict[str, Any], **words: Any) -> None:
    """Turn another tool's file into a recipe: FILE is a recipe of llm-compressor (SparseGPT, Wanda, N:M), a
    passthrough file of mergekit, or the layers that go, as a file or like 21-24,27."""
    criterion = words["criterion"] and canonical_criterion(words["criterion"])
    result = run_task(
        "import", model, how, data=words["data"], source=source, criterion=criterion, name=words["name"]
    )
    write_text(out, Recipe.from_dict(result.pop("recipe")).dumps())
    result = {"out": out, **result}
    lines = figures(result, {"out": "recipe", "form": "from", "sparsity": "sparsity"})
    finish(result, [*lines, *result["notes"]])


def _check_best(best: bool, sparsity: float | None, levels: bool) -> None:
    if best and sparsity is None:
        raise PruningError("--best needs the share to remove: add --sparsity 0.5, for example.")
    if best and levels:
        raise PruningError("--best finds the levels itself. Leave --set and --strategy out.")
    if sparsity is not None and not best:
        raise PruningError("--sparsity goes with --best. Set levels with --set, such as --set all=0.5.")


@prints(ExportResult)
@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@click.option("--out", required=True, help="The folder to write; it must not exist yet.")
@click.option(
    "--to",
    type=click.Choice(list(RULES)),
    default="hf",
    show_default=True,
    help="hf, which from_pretrained loads: zeros take as much room as other numbers. compact: a bit a weight "
    "and the values that stay; Prunescope opens it, and `prunescope unpack` makes hf of it. gguf: a "
    "file for llama.cpp, which must be installed (the extra llamacpp) and agree. onnx: a graph for "
    "onnxruntime, likewise (the extra onnx). In words: recipe; script, which rebuilds the model; report, "
    "one HTML file; llm-compressor, a recipe for it. `prunescope check` says what works.",
)
@click.option(
    "--export-dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Number format to write; otherwise the checkpoint's own, whatever is computed in.",
)
@click.option(
    "--quantize",
    type=click.Choice(NUMBERS),
    help="The number format of --to gguf; f16 if nothing is said.",
)
@click.option("--masked", is_flag=True, help="Write the full-size model with zeros, whatever goes.")
@model_options
@errors_as_sentences
def export(model: str, recipe_file: str, how: dict[str, Any], **written: Any) -> None:
    """Write the pruned model as a folder, and check it by loading it.

    Without neurons, heads, KV groups or layers it is really smaller; single weights make only --to compact
    smaller.
    """
    from pruning.engine.criteria import CRITERIA, LEARNT

    request = Recipe.load(recipe_file, [*CRITERIA, *LEARNT])
    arguments = {"recipe": request.to_dict(), **written}
    with terminal_progress(request_of("export", model, how, **arguments)) as progress:
        loaded = load(model, how, progress, "export", arguments)
        request.check_model(loaded.fingerprint, loaded.computed)
        result = run_on(loaded, "export", progress, **arguments)
    named = {
        "out": "model",
        "bytes": "bytes written",
        "export_dtype": "number format",
        "verified": "read again, and equal",
        "kl": "measured KL",
        "perplexity": "measured perplexity",
    }
    lines = figures(result, named)
    if "llamacpp" in result:
        found = result["llamacpp"]
        apart, theirs, ours = (
            found[name] for name in ("log_probability_error", "perplexity", "own_perplexity")
        )
        lines.append(f"llama.cpp, with the same numbers: log-probabilities within {apart:.3g} of ours,")
        lines.append(f"perplexity {theirs:.2f} where ours is {ours:.2f}")
    if "onnxruntime" in result:
        apart = result["onnxruntime"]["logit_error"]
        lines.append(f"onnxruntime, at once and with the cache: logits within {apart:.2g} of ours")
    if result["to"] == "hf" and result["sparse_bytes"] < result["file_bytes"]:
        lines.append(f"With --to compact it takes {result['sparse_bytes']:,} bytes.")
    finish(result, lines)


@prints(CheckResult)
@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE")
@click.option("--masked", is_flag=True, help="Ask about the full-size model with zeros.")
@errors_as_sentences
def check(model: str, recipe_file: str, masked: bool) -> None:
    """Say in which forms a recipe's model can be written, why not, and the nearest plan that can.

    Only the model's configuration is read, no weights.
    """
    recipe = Recipe.load(recipe_file)
    facts = _facts(model)
    wanted = Wanted(
        facts,
        recipe.to_plan(facts.groups),
        recipe.options(),
        recipe.criterion,
        trained=recipe.recovery is not None,
        masked=masked,
    )
    rows = [_row(found, facts) for found in lights(wanted)]
    lines = [line for row in rows for line in _said(row, row["target"])]
    numbers: list[dict[str, Any]] = []
    if any(row["target"] == "gguf" and row["state"] != CANNOT for row in rows):
        numbers = [_row(found, facts, "numbers") for found in number_lights(wanted)]
        refused = [row for row in numbers if row["state"] == CANNOT]
        lines += [line for row in refused for line in _said(row, f"gguf {row['numbers']}")]
    finish({"targets": rows, "gguf_numbers": numbers}, lines)


def _facts(model: str) -> ModelFacts:
    """The facts of a model from its files, or, of a strange family, from when it was loaded last."""
    try:
        return facts_of(model)
    except PruningError:
        found = inspected(Store(), model)
        if found is None:
            raise
        return of_inspection(found)


def _row(found: Light, facts: ModelFacts, named: str = "target") -> dict[str, Any]:
    near = found.nearest
    nearest = near and {"settings": format_settings(near.plan, facts.groups), "changes": near.changes}
    return {named: found.target, "state": found.state, "reason": found.reason, "nearest": nearest}


def _said(row: Mapping[str, Any], name: str) -> list[str]:
    lines = [f"{name:<14} {row['state']:<13} {row['reason']}"]
    if row["nearest"]:
        near = row["nearest"]
        lines.append(f"{'':<28} Nearest: {near['changes']} (--set {' --set '.join(near['settings'])})")
    return lines


@prints(UnpackResult)
@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--out", required=True, help="The folder to write; it must not exist yet.")
@errors_as_sentences
def unpack(folder: str, out: str) -> None:
    """Write a compact model as a folder that from_pretrained loads, every weight bit for bit."""
    from pruning.engine.export.compact import unpack as unpack_folder

    with terminal_progress() as progress:
        size = unpack_folder(Path(folder), Path(out), lambda note: progress(0, 1, note))
    result = {"out": out, "bytes": size}
    finish(result, figures(result, {"out": "model", "bytes": "bytes written"}))


@prints(PushResult)
@click.command()
@click.argument("folder", metavar="FOLDER")
@click.argument("name", metavar="NAME")
@click.option("--public", is_flag=True, help="Let everybody see it; otherwise only you do.")
@errors_as_sentences
def push(folder: str, name: str, public: bool) -> None:
    """Upload an exported folder to the hub as NAME (you/model), with your own login.

    Nothing is ever uploaded by another command. A model that is there already is left as it is.
    """
    from pruning.model_files.hub_upload import push as upload

    with terminal_progress() as progress:
        done = upload(Path(folder), name, public, progress)
    result = {"url": done.url, "files": done.files, "bytes": done.bytes, "private": done.private}
    finish(
        result, figures(result, {"url": "model", "files": "files", "bytes": "bytes", "private": "private"})
    )
