"""What commands print that is not just what a task returns: each key, with a word on it."""

from typing import Annotated, NotRequired, TypedDict

from pruning.workspace.result_types.figures import CompactBytes, FileBytes, Kl, Perplexity, Settings, Sparsity

RecipeFile = Annotated[str, "the recipe that was written"]
Low = Annotated[float, "lower end of the band that is to hold eight of ten measurements"]
High = Annotated[float, "upper end of the band"]


class DemoResult(TypedDict):
    """The demo model."""

    model: Annotated[str, "its folder"]
    origin: Annotated[str, "where it came from: the hub or the Python package"]
    map: NotRequired[Annotated[str, "with --map: the file of its map"]]


class MapSummary(TypedDict):
    """The map that was drawn."""

    points: Annotated[int, "groups times levels"]
    seconds: Annotated[float, "seconds it took"]
    dense_forwards: Annotated[float, "the same in dense forward passes over the same tokens"]
    out: Annotated[str, "the file of the map"]


class CapabilitiesSummary(TypedDict):
    """What was forecast by capability."""

    capabilities: Annotated[list[str], "the capabilities"]
    groups: Annotated[int, "number of groups"]
    levels: Annotated[list[float], "the levels"]
    out: Annotated[str, "the file with the costs"]


class RecipeResult(TypedDict):
    """The recipe that was written."""

    out: RecipeFile
    sparsity: Sparsity
    settings: Settings
    kept: NotRequired[Annotated[list[int], "where one kind of unit goes alone: how many are kept, by layer"]]
    kept_units: NotRequired[
        Annotated[dict[str, list[int]], "where units go: by kind how many are kept, by layer"]
    ]


class ImportResult(RecipeResult):
    """The recipe that was made of another tool's file."""

    form: Annotated[str, "whose file it was: llm-compressor, mergekit, or a list of layers"]
    notes: Annotated[list[str], "what was left out, or is not the same here"]


class NearestPlan(TypedDict):
    """The nearest plan that can be written in a form."""

    settings: Settings
    changes: Annotated[str, "what it changes, in words"]


class TargetRow(TypedDict):
    """One form that a recipe's model can be written in or not."""

    target: Annotated[str, "the form, as --to has it"]
    state: Annotated[str, "loads, bundled code or cannot"]
    reason: Annotated[str, "why"]
    nearest: Annotated[NearestPlan | None, "where it cannot: the nearest plan that can, or null"]


class NumbersRow(TypedDict):
    """One number format that a recipe's model can be written in or not."""

    numbers: Annotated[str, "the format, as --quantize has it"]
    state: Annotated[str, "loads or cannot"]
    reason: Annotated[str, "why"]
    nearest: Annotated[NearestPlan | None, "where it cannot: the nearest plan that can, or null"]


class CheckResult(TypedDict):
    """In which forms a recipe's model can be written."""

    targets: Annotated[list[TargetRow], "a row for each form"]
    gguf_numbers: Annotated[list[NumbersRow], "where GGUF can be written: a row for each number format"]


class UnpackResult(TypedDict):
    """The compact model, unpacked."""

    out: Annotated[str, "the folder that was written"]
    bytes: Annotated[int, "bytes of its weights"]


class PushResult(TypedDict):
    """The exported folder on the hub."""

    url: Annotated[str, "where it is"]
    files: Annotated[int, "how many files were uploaded"]
    bytes: Annotated[int, "their bytes"]
    private: Annotated[bool, "whether only you see it"]


class SolveResult(TypedDict):
    """The plan of least forecast damage that meets the targets."""

    out: RecipeFile
    sparsity: Sparsity
    kl: Annotated[float, "forecast KL, nats per token"]
    kl_low: Low
    kl_high: High
    parameters: Annotated[int, "parameters that are kept"]
    file_bytes: FileBytes
    bytes: CompactBytes
    memory: NotRequired[Annotated[int, "bytes while it runs, of a mixed plan"]]
    speedup: NotRequired[Annotated[float, "times as fast as the dense model, reading"]]
    decode_speedup: NotRequired[Annotated[float, "times as fast as the dense model, writing"]]
    timed: NotRequired[Annotated[bool, "whether the speed is forecast from measured times, not estimated"]]
    milliseconds: Annotated[float, "time of the solver"]
    gap_to_bound: Annotated[float, "forecast KL over the bound that no plan can beat"]
    values: NotRequired[Annotated[dict[str, float], "what mattered more than the rest"]]
    settings: Settings


class ForecastResult(TypedDict):
    """What a recipe is forecast to cost."""

    kl: Kl
    kl_low: Low
    kl_high: High
    perplexity: Perplexity
    perplexity_low: Low
    perplexity_high: High
    file_bytes: FileBytes
    bytes: CompactBytes
    sparsity: Sparsity
    memory_bytes: NotRequired[
        Annotated[int, "once the model was timed here: bytes while it runs, with the cache of 2,048 tokens"]
    ]
    prefill_ms: NotRequired[Annotated[float, "the same: forecast milliseconds to read 256 tokens"]]
    decode_ms: NotRequired[Annotated[float, "the same: to write one more"]]
    prefill_speedup: NotRequired[Annotated[float, "the same: times as fast as dense, reading"]]
    decode_speedup: NotRequired[Annotated[float, "the same: writing"]]
    measured: Annotated[int, "measurements that the forecast was fitted to"]


class AppResult(TypedDict):
    """The dashboard."""

    address: Annotated[str, "where it is served"]
