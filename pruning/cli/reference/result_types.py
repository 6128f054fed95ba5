"""What commands print that is not just what a task returns: each key, with a word on it."""

from typing import Annotated, NotRequired, TypedDict

from pruning.workspace.result_figures import CompactBytes, FileBytes, Kl, Perplexity, Settings, Sparsity

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
    kept: NotRequired[Annotated[list[int], "of whole units: how many are kept, by layer"]]


class UnpackResult(TypedDict):
    """The compact model, unpacked."""

    out: Annotated[str, "the folder that was written"]
    bytes: Annotated[int, "bytes of its weights"]


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
    measured: Annotated[int, "measurements that the forecast was fitted to"]


class AppResult(TypedDict):
    """The dashboard."""

    address: Annotated[str, "where it is served"]
