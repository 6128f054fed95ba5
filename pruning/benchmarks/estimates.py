"""What jobs with well-known models would take on a machine as fast as this one, from their configurations."""

from dataclasses import replace

from pruning.benchmarks.tables import Result
from pruning.planning.cost.estimate.jobs import estimate
from pruning.planning.cost.given.machine import Speeds
from pruning.planning.cost.given.published import PUBLISHED
from pruning.planning.cost.given.setting import Setting
from pruning.planning.cost.given.shape import shape_of
from pruning.wording import seconds, size

JOBS = {"map": "sensitivity map", "corrected": "a plan with `corrected`", "export": "export"}


def estimate_tables(result: Result) -> list[str]:
    """A table of published models, with the speeds that the estimate of another model found."""
    speeds, dtype = Speeds(**result["speeds"]), result["dtype"]
    rows = [
        "| model, and job | in memory | streamed | disk, streamed | time, streamed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, config in PUBLISHED.items():
        setting = Setting(shape_of(config), dtype, tokens=result["tokens"])
        for job, words in JOBS.items():
            whole, streamed = (estimate(job, replace(setting, streamed=way)) for way in (False, True))
            cells = (size(whole.memory), size(streamed.memory), size(streamed.disk.total))
            rows.append(f"| {name}: {words} | {' | '.join(cells)} | {seconds(streamed.seconds(speeds))} |")
    about = (
        f"All of them estimates, in {dtype}, at {speeds.operations / 1e9:,.0f} billion operations a second, "
        f"reading {size(speeds.read)} and writing {size(speeds.write)} a second."
    )
    return ["\n".join(rows), about]
