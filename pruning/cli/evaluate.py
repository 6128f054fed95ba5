"""Commands that forecast or measure what pruning, quantizing and leaving early cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pruning.cli.options import (
    Ray,
    criterion_option,
    data_option,
    errors_as_sentences,
    mask_options,
    model_argument,
    model_options,
    prints,
    ray_options,
    settings_option,
)
from pruning.cli.reference.result_types import ForecastResult
from pruning.cli.run import SIZES, figures, finish, run_recipe, run_recipes, run_task
from pruning.errors import PruningError
from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.forecast.verdict import measured_verdict
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions, effective
from pruning.planning.recipe.plan import UNIT_KINDS, Group, Plan, kinds_of
from pruning.planning.recipe.recipe import Recipe
from pruning.workspace.result_types.first_look import FirstLookResult
from pruning.workspace.result_types.measured_plans import MeasuredPlans
from pruning.workspace.result_types.results import (
    EarlyExitResult,
    GenerateResult,
    MeasureResult,
    QuantizeResult,
)
from pruning.workspace.store import Store

# What `prunescope latency` lets a forecast say besides.
_TIMES = {
    "memory_bytes": "bytes while it runs",
    "prefill_ms": "milliseconds to read a prompt",
    "decode_ms": "milliseconds to write a token",
    "prefill_speedup": "times as fast, reading",
    "decode_speedup": "times as fast, writing",
}


@prints(ForecastResult)
@click.command()
@click.argument("map_file", metavar="MAP")
@click.argument("recipe_file", metavar="RECIPE")
@errors_as_sentences
def forecast(map_file: str, recipe_file: str) -> None:
    """Forecast what a recipe costs, from a MAP file; calibrated by what was measured before."""
    from pruning.planning.forecast.sensitivity_map import SensitivityMap
    from pruning.workspace import results

    smap = SensitivityMap.load(Path(map_file))
    recipe = Recipe.load(recipe_file)
    recipe.check_model(smap.checkpoint, smap.fingerprint)
    for name, of_recipe, of_map in (
        ("criterion", recipe.criterion, smap.criterion),
        ("data", recipe.data.name, smap.data),
    ):
        if of_recipe != of_map:
            raise PruningError(
                f"The recipe's {name} is {of_recipe} but the map's is {of_map}. "
                f"Make a map with `prunescope map MODEL --{name} {of_recipe}`."
            )
    plan = _forecastable(recipe, smap.groups)
    store = Store()
    forecaster = results.forecaster(store, smap)
    predicted = forecaster.forecast(plan)
    result = {
        "kl": predicted.kl,
        "kl_low": predicted.kl_low,
        "kl_high": predicted.kl_high,
        "perplexity": predicted.perplexity,
        "perplexity_low": predicted.perplexity_low,
        "perplexity_high": predicted.perplexity_high,
        "file_bytes": predicted.file_bytes,
        "bytes": predicted.bytes,
        "sparsity": predicted.sparsity,
        **_times(store, smap.fingerprint, plan, recipe.options().round_to),
        "measured": forecaster.fit.measured,
    }
    labels = {"kl": "forecast KL", "perplexity": "forecast perplexity", **SIZES, **_TIMES}
    finish(result, [*figures(result, labels), f"calibrated by {forecaster.fit.measured} measured recipes"])


def _times(store: Store, fingerprint: str, plan: Plan, round_to: int | None) -> dict[str, float]:
    """Memory and times of a plan; nothing where its model was not timed here, or not all that it prunes."""
    from pruning.workspace import results

    inspected = (row["value"] for row in store.find("inspect"))
    facts = next((value for value in inspected if results.computed(value) == fingerprint), None)
    times = results.latency(store, fingerprint, facts["dtype"], facts["device"]) if facts else None
    if facts is None or times is None:
        return {}
    cost = plan_cost(parts_of(facts), plan, LatencyTable.from_dict(times), round_to=round_to)
    return {name: getattr(cost, name) for name in _TIMES} if cost.timed else {}


def _forecastable(recipe: Recipe, groups: Sequence[Group]) -> Plan:
    """The levels that a map can price: protected layers and bounds taken in, each group for itself."""
    options = recipe.options()
    for name, value in (("structure", options.of_weights), ("scope", options.scope)):
        if value != getattr(DEFAULT, name):
            raise PruningError(
                f"The recipe's {name} is {value}, and a map prices units and single weights, chosen in the "
                "criterion's own scope. Measure the recipe instead."
            )
    unpriced = kinds_of(recipe.settings()) - {kind for _, kind in groups}
    if unpriced & set(UNIT_KINDS):
        raise PruningError(
            f"The map does not price {min(unpriced)}: it is of an older version, or the model has none that "
            "come apart. Make the map again, or measure the recipe instead."
        )
    return effective(recipe.to_plan(groups), groups, options)


@prints(MeasureResult, several=MeasuredPlans)
@click.command()
@model_argument
@click.argument("recipe_file", metavar="RECIPE...", nargs=-1, required=True)
@click.option("--data", help="Text to score with instead of the recipe's.")
@ray_options
@model_options
@errors_as_sentences
def measure(
    model: str, recipe_file: tuple[str, ...], data: str | None, how: dict[str, Any], ray: Ray | None
) -> None:
    """Prune as a recipe says, in memory, and measure what it costs.

    With several recipes only those are measured that were not before, each is kept once it is done, and the
    last line has `plans`, the figures of each, and how many were `measured` now.
    """
    if len(recipe_file) == 1 and ray is None:
        result = run_recipe("measure", model, recipe_file[0], data, how)
        finish(result, _measured_lines(result))
        return
    results = run_recipes(model, recipe_file, data, how, ray)
    if len(recipe_file) == 1:
        finish(results["plans"][0], _measured_lines(results["plans"][0]))
        return
    lines = [
        line
        for name, result in zip(recipe_file, results["plans"], strict=True)
        for line in (name, *_measured_lines(result), "")
    ]
    finish(results, lines)


def _measured_lines(result: dict[str, Any]) -> list[str]:
    labels = {
        "kl": "measured KL",
        "perplexity": "measured perplexity",
        "agreement": "same top token",
        "accuracy": "next-token accuracy",
        "probe_accuracy": "multiple-choice accuracy",
        **SIZES,
        "sparsity": "sparsity",
    }
    verdict = measured_verdict(result)
    words = f"verdict: {verdict.level} ({verdict.source}). {verdict.sentence}"
    return [*figures(result, labels), words]


@prints(GenerateResult)
@click.command()
@model_argument
@click.option(
    "--prompt",
    "prompts",
    required=True,
    multiple=True,
    help="The text to answer; may be given several times.",
)
@criterion_option
@settings_option
@data_option
@mask_options
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1, 4096),
    default=40,
    show_default=True,
    help="How many tokens to add at most.",
)
@model_options
@errors_as_sentences
def generate(model: str, how: dict[str, Any], options: MaskOptions, **request: Any) -> None:
    """Let the dense and the pruned model answer the same prompts, and say where they part."""
    plans = [list(request.pop("settings"))]
    arguments = {**request, "prompts": list(request["prompts"]), "plans": plans}
    result = run_task("generate", model, how, **arguments, **options.changed())
    finish(result, [line for row in result["answers"] for line in _answer_lines(row)])


def _answer_lines(row: dict[str, Any]) -> list[str]:
    place, kl = row["first_difference"], row["kl"]
    return [
        f"prompt  {row['prompt']}",
        f"dense   {row['dense']}",
        f"pruned  {row['pruned']}",
        f"parted  {'nowhere' if place is None else f'at token {place + 1} of {len(kl)}'}",
        f"KL      {sum(kl) / len(kl):.4g} nats per token on average, {max(kl):.4g} at most",
        "",
    ]


@prints(FirstLookResult)
@click.command("first-look")
@model_argument
@click.option("--smaller", default=0.2, show_default=True, help="By which share the file gets smaller.")
@click.option("--prompt", help="What both models answer.")
@click.option("--max-new-tokens", default=40, show_default=True, help="The longest that an answer gets.")
@data_option
@model_options
@errors_as_sentences
def first_look(model: str, how: dict[str, Any], prompt: str | None, **request: Any) -> None:
    """Find a plan for a smaller file, measure it on less text than `measure`, and let both models answer."""
    asked = {**request, **({} if prompt is None else {"prompt": prompt})}
    result = run_task("first_look", model, how, **asked)
    shown = [*figures(result, {"kl": "KL, nats per token", "perplexity": "perplexity", **SIZES})]
    finish(result, [*shown, *_answer_lines(result["answer"])])


@prints(QuantizeResult)
@click.command()
@model_argument
@click.argument("recipe_file", metavar="[RECIPE]", required=False)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="int8 (weights) or int8-dynamic (weights and inputs); may be given twice. Both without it.",
)
@click.option("--data", help="Text to score with; otherwise the recipe's, or demo.")
@model_options
@errors_as_sentences
def quantize(
    model: str, recipe_file: str | None, methods: tuple[str, ...], data: str | None, how: dict[str, Any]
) -> None:
    """Measure quality and size of the model pruned, quantized, and both. Needs prunescope[quantize]."""
    arguments = {"methods": list(methods)} if methods else {}
    result = run_recipe("quantize", model, recipe_file, data, how, **arguments)
    lines = [
        f"{'pruned' if row['pruned'] else 'dense':<6}  {row['method'] or '-':<12}  KL {row['kl']:.4f}  "
        f"perplexity {row['perplexity']:,.2f}  {row['file_bytes'] / 1e6:.1f} MB, "
        f"{row['bytes'] / 1e6:.1f} MB as a compact file"
        for row in result["rows"]
    ]
    finish(result, lines)


@prints(EarlyExitResult)
@click.command("early-exit")
@model_argument
@click.argument("recipe_file", metavar="[RECIPE]", required=False)
@click.option("--thresholds", help="How sure a token must be to leave, like 0.5,0.9.")
@click.option("--data", help="Text to score with; otherwise the recipe's, or demo.")
@model_options
@errors_as_sentences
def early_exit(
    model: str, recipe_file: str | None, thresholds: str | None, data: str | None, how: dict[str, Any]
) -> None:
    """Say how good the model is when left after each layer, or once it is sure; pruned, with a recipe."""
    arguments = {} if thresholds is None else {"thresholds": _numbers(thresholds)}
    result = run_recipe("early_exit", model, recipe_file, data, how, **arguments)
    lines = [f"after layer {row['depth']:>3}  {_quality(row)}" for row in result["depths"]]
    lines += [
        f"sure to {row['threshold']:<5.4g} {row['layers']:.1f} of {result['layers']} layers  {_quality(row)}"
        for row in result["sure"]
    ]
    finish(result, lines)


def _quality(row: dict[str, Any]) -> str:
    return f"KL {row['kl']:.4f}  perplexity {row['perplexity']:,.2f}  accuracy {row['accuracy']:.1%}"


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise PruningError(f'--thresholds: "{text}" is no list of numbers. Write 0.5,0.9 or so.') from None
