"""The command line: thin commands that parse their words and call `pruning.tasks` in this process.

Each ends its standard output with one line of JSON; progress and errors go to standard error.
"""

import click

from pruning import __version__
from pruning.cli.bench import bench, latency
from pruning.cli.calibrate import teach
from pruning.cli.dashboard import app
from pruning.cli.evaluate import capabilities, forecast, map_, measure, quantize, sweep
from pruning.cli.export import export, recipe
from pruning.cli.impact import impact
from pruning.cli.inspect import baseline, demo, early_exit, generate, inspect
from pruning.cli.optimize import solve_
from pruning.cli.outliers import outliers
from pruning.cli.train import lottery, progressive, recover


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="prunescope", help="Show the version and exit.")
def main() -> None:
    """See what pruning a transformer would cost, layer by layer, before you do it; then do it.

    MODEL is `demo`, a hub id, a folder or a GGUF file.
    """


for command in (
    demo,
    inspect,
    baseline,
    latency,
    outliers,
    map_,
    sweep,
    capabilities,
    recipe,
    solve_,
    forecast,
    measure,
    teach,
    recover,
    progressive,
    lottery,
    early_exit,
    quantize,
    impact,
    export,
    generate,
    app,
    bench,
):
    main.add_command(command)
