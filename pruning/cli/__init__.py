"""The command line: thin commands that parse their words and call `pruning.tasks` in this process.

Each ends its standard output with one line of JSON; progress and errors go to standard error.
"""

import copy

import click

from pruning import __version__
from pruning.cli.benches import bench
from pruning.cli.dashboard import app
from pruning.cli.estimate import estimate
from pruning.cli.evaluate import early_exit, first_look, forecast, generate, measure, quantize
from pruning.cli.export import check, export, import_, push, recipe, unpack
from pruning.cli.impact import impact
from pruning.cli.inspect import baseline, demo, diff, inspect, latency, text
from pruning.cli.optimize import solve_
from pruning.cli.sensitivity import calibrate, capabilities, map_, outliers, sweep
from pruning.cli.train import lottery, progressive, recover
from pruning.workspace.task_registry import ROWS


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="prunescope", help="Show the version and exit.")
def main() -> None:
    """See what pruning a transformer would cost, layer by layer, before you do it; then do it.

    MODEL is `demo`, a hub id, a folder or a GGUF file.
    """


def _add_alias(name: str, command: click.Command) -> None:
    """Let a command be called by a name it had before; the help does not list it."""
    alias = copy.copy(command)
    alias.hidden = True
    main.add_command(alias, name)


for command in (
    demo,
    estimate,
    inspect,
    text,
    diff,
    baseline,
    latency,
    outliers,
    map_,
    sweep,
    capabilities,
    recipe,
    import_,
    solve_,
    forecast,
    first_look,
    measure,
    calibrate,
    recover,
    progressive,
    lottery,
    early_exit,
    quantize,
    impact,
    check,
    export,
    unpack,
    push,
    generate,
    app,
    bench,
):
    main.add_command(command)
for row in ROWS:
    for name in row.aliases:
        _add_alias(name, main.commands[row.command])
