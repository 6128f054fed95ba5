"""The command that holds the guide's claims against what is measured."""

import sys
from typing import Any

import click

from pruning.cli.options import data_option, errors_as_sentences, model_argument, model_options, prints
from pruning.cli.run import finish, load, request_of, run_on, terminal_progress
from pruning.planning.recipe.guide_claims import BY_NAME, compact_ratio, memory_ratio, perplexity_ratio
from pruning.workspace.result_types.results import ImpactResult

LOTTERY_STEPS = 20


@prints(ImpactResult)
@click.command()
@model_argument
@click.option(
    "--lottery",
    is_flag=True,
    help="Draw the lottery ticket as well: it trains four networks, and takes long.",
)
@click.option(
    "--lottery-steps",
    type=int,
    default=LOTTERY_STEPS,
    show_default=True,
    help="With --lottery: steps of training for each network.",
)
@click.option("--rows", help=f"Only these rows, like wanda_50,heads_50. There are {', '.join(BY_NAME)}.")
@data_option
@click.option("--out", help="The JSON file to write; otherwise it goes into the workspace.")
@model_options
@errors_as_sentences
def impact(model: str, how: dict[str, Any], rows: str | None, **request: Any) -> None:
    """Measure what the guide's techniques, and ours, do to size, speed and quality; goes on where it stopped.

    Each row stands beside what the guide claims, with a verdict.
    """
    only = None if rows is None else [name.strip() for name in rows.split(",")]
    steps = request["lottery_steps"] if request["lottery"] else 0
    arguments = {"data": request["data"], "lottery_steps": steps, "only": only, "out": request["out"]}
    asked = request_of("impact", model, how, **arguments)
    with terminal_progress(asked, on_partial=_show_row) as progress:
        loaded = load(model, how, progress, "impact", arguments)
        result = run_on(loaded, "impact", progress, **arguments)
    lines = [f"{_name(row):<22} {row['verdict']['text']}" for row in result["rows"]]
    finish(result, lines)


def _show_row(partial: dict[str, Any]) -> None:
    """Write each row out as it is measured."""
    row = partial.get("row")
    if row is not None and "name" in row:
        click.echo(("\n" if sys.stderr.isatty() else "") + _line(row), err=True)


def _name(row: dict[str, Any]) -> str:
    return f"{row['title']} {row['share']:.0%}"


def _line(row: dict[str, Any]) -> str:
    if row.get("refused"):
        return f"{_name(row):<22} not with this model: {row['refused']}"
    speed = row["speed"]
    timed = f"reads {speed['prefill']:.2f}x, writes {speed['decode']:.2f}x" if speed else "not timed"
    ratio = compact_ratio(row)
    compact = "" if ratio is None else f" ({ratio:.2f}x as a compact file)"
    return (
        f"{_name(row):<22} {memory_ratio(row):.2f}x smaller{compact}, {timed}, KL {row['kl']:.3f}, "
        f"perplexity {row['perplexity']:,.1f} ({perplexity_ratio(row):.2f} times dense), "
        f"next token {row['accuracy']:.1%}"
    )
