"""What an estimate prints."""

from typing import Annotated, TypedDict


class WayEstimate(TypedDict):
    """A job done in one way: in memory, or streamed."""

    memory: Annotated[int, "bytes at the peak"]
    beside: Annotated[int, "bytes of a second process at the same time"]
    peaks: Annotated[dict[str, int], "bytes at the peak of each of its steps"]
    disk: Annotated[int, "bytes it leaves on disk"]
    disk_meanwhile: Annotated[int, "bytes it needs there besides until it ends"]
    seconds: Annotated[float, "how long it takes"]
    fits: Annotated[bool, "whether memory and disk of this machine are enough"]


class JobEstimate(TypedDict):
    """A job both ways."""

    job: Annotated[str, "map, best, corrected, measure, recover or export"]
    in_memory: Annotated[WayEstimate, "with the whole model in memory"]
    streamed: Annotated[WayEstimate | None, "a layer at a time; null where that cannot be"]
    stream: Annotated[bool, "whether streaming is the way to take here"]
    sentence: Annotated[str | None, "why it does not fit in memory and what would do, or null"]


class MachineFacts(TypedDict):
    """The machine."""

    memory: Annotated[int, "bytes of main memory"]
    available: Annotated[int, "of these free"]
    disk: Annotated[int, "bytes free where the workspace is"]
    device: Annotated[str, "what is computed on"]
    device_memory: Annotated[int | None, "bytes of a GPU's own memory, or null"]
    device_available: Annotated[int | None, "of these free, or null"]


class SpeedFacts(TypedDict):
    """How fast it was found to be, in a few seconds."""

    operations: Annotated[float, "operations a second in products of the model's widths"]
    elements: Annotated[float, "numbers a second walked over"]
    read: Annotated[float, "bytes a second from the model's files"]
    write: Annotated[float, "bytes a second to the workspace's disk"]
    cached: Annotated[bool, "whether the files were in memory already"]
    threads: Annotated[int, "processors at work"]


class EstimateResult(TypedDict):
    """What jobs will take with a model, before it is loaded."""

    reference: Annotated[str, "the model, as it was asked for"]
    dtype: Annotated[str, "number format computed in"]
    parameters: Annotated[int, "all parameters"]
    layers: Annotated[int, "number of layers"]
    file_bytes: Annotated[int, "bytes of its weight files"]
    to_write: Annotated[int, "bytes that fetching or converting it leaves on disk first"]
    tokens: Annotated[int | None, "the most tokens of text, or null for the usual"]
    machine: Annotated[MachineFacts, "this machine"]
    speeds: Annotated[SpeedFacts, "how fast it is"]
    jobs: Annotated[list[JobEstimate], "every job, all of them estimates"]
    summary: Annotated[str, "what fits, in a sentence"]
