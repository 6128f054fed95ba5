"""What the benches return: the keys of each result, with a word on each. No torch."""

from typing import Annotated, Any, NotRequired, TypedDict

Spearman = Annotated[float, "rank correlation with measured KL at this level"]
Ratio = Annotated[float, "measured KL of our best over the method it is held against"]
DragMedian = Annotated[float, "milliseconds from event to painted frame, median"]
DragP95 = Annotated[float, "the same, 95th percentile"]
Settings = Annotated[list[str], "our best plan, as settings"]


class MapBench(TypedDict):
    """A full map, in time and in order."""

    points: Annotated[int, "points of the map"]
    criterion: Annotated[str, "how weights were scored"]
    tokens: Annotated[int, "calibration tokens"]
    seconds: Annotated[float, "seconds it took from nothing"]
    forward_seconds: Annotated[float, "seconds of a dense forward pass over the same tokens"]
    dense_forwards: Annotated[float, "the map in dense forward passes"]
    processor_seconds: Annotated[float, "processor seconds it took, of all threads"]
    processor_forwards: Annotated[float, "the map in processor seconds of a dense forward pass"]
    parts: Annotated[dict[str, float], "of these by part: forward, head, backward, inputs (A), …"]
    statistics_forwards: Annotated[float, "of dense_forwards the Fisher factors"]
    pricing_forwards: Annotated[float, "of dense_forwards the costs, of units as well"]
    units_share: Annotated[float, "seconds of pricing units over those of all else"]
    units_processor_share: Annotated[float, "the same of processor seconds"]
    measured_points: Annotated[int, "points that were measured"]
    spearman_50: Spearman
    spearman_50_kronecker: Spearman
    spearman_50_token: Spearman
    spearman_70: Spearman
    spearman_70_kronecker: Spearman
    spearman_70_token: Spearman


class MasksBench(TypedDict):
    """One share of the weights, by criterion with uniform levels, and our best recipe."""

    sparsity: Annotated[float, "share of the weights that is pruned"]
    magnitude_kl: Annotated[float, "measured KL, magnitude"]
    magnitude_perplexity: Annotated[float, "perplexity, magnitude"]
    wanda_kl: Annotated[float, "measured KL, Wanda"]
    wanda_perplexity: Annotated[float, "perplexity, Wanda"]
    sparsegpt_kl: Annotated[float, "measured KL, SparseGPT"]
    sparsegpt_perplexity: Annotated[float, "perplexity, SparseGPT"]
    best_kl: Annotated[float, "measured KL, our best"]
    best_perplexity: Annotated[float, "perplexity, our best"]
    best_over_sparsegpt: Ratio
    best_settings: Settings


class StructuredBench(TypedDict):
    """A fifth of the neurons, and two of nine heads, by method."""

    neurons_ratio: Ratio
    neurons_best_settings: Settings
    heads_ratio: Ratio
    heads_best_settings: Settings
    rows: Annotated[list[dict[str, Any]], "structure, method, kl, perplexity"]


class VerdictBench(TypedDict):
    """Plans of many kinds, measured, with the verdict on each."""

    plans: Annotated[int, "plans that were measured"]
    rows: Annotated[
        list[dict[str, Any]],
        "criterion, structure, plan, kl, perplexity, prompts, counted, repeating, cut_short, early, "
        "common_prefix, questions_right, questions_lost, questions_won, verdict, example",
    ]


class SolverBench(TypedDict):
    """The solver's time, and its plans beside uniform levels, OWL and greedy steps."""

    milliseconds: Annotated[float, "median of solving 150 groups × 20 levels"]
    gap_to_bound: Annotated[float, "the largest gap to the bound"]
    mixed_milliseconds: Annotated[float, "median of units and weights, 30 layers × 9 kinds × 20 levels"]
    mixed_slowest_milliseconds: Annotated[float, "the slowest of these"]
    mixed_gap_to_bound: Annotated[float, "the largest gap to the bound of these, as a share"]
    rows: Annotated[list[dict[str, Any]], "case, sparsity, method, kl, forecast"]
    ours_best_everywhere: Annotated[bool, "whether no other method had less KL in any case"]


class ForecastBench(TypedDict):
    """Forecasts against measurements of recipes that were not fitted to; `_prior`: before any measurement."""

    recipes: Annotated[int, "recipes that were measured"]
    median_error: NotRequired[Annotated[float, "median of |measured / forecast − 1|"]]
    p90_error: NotRequired[Annotated[float, "its 90th percentile"]]
    spearman: NotRequired[Annotated[float, "rank correlation with measured KL"]]
    coverage_80: NotRequired[Annotated[float, "share of measurements inside the band"]]
    median_error_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    p90_error_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    spearman_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    coverage_80_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    perplexity_error: NotRequired[
        Annotated[float, "median of |forecast / measured − 1| of the rise over the dense perplexity"]
    ]
    perplexity_error_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    perplexity_coverage_80: NotRequired[Annotated[float, "share of measured perplexities inside the band"]]
    perplexity_coverage_80_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    agreement_coverage_80: NotRequired[Annotated[float, "the same of top-1 agreement"]]
    agreement_coverage_80_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    accuracy_coverage_80: NotRequired[Annotated[float, "the same of next-token accuracy"]]
    accuracy_coverage_80_prior: NotRequired[Annotated[float, "the same before any measurement"]]
    left_out: Annotated[int, "recipes with a KL too small or too large"]
    forecast_ms: Annotated[float, "milliseconds of one forecast"]
    taught: Annotated[list[dict[str, Any]], "criterion, structure, measured, kls, settings of each fit"]
    kinds: Annotated[dict[str, Any], "the figures by kind of recipe"]
    criteria: Annotated[dict[str, Any], "the figures by criterion or structure"]
    rows: Annotated[list[dict[str, Any]], "a row for each recipe"]


class LatencyBench(TypedDict):
    """Really narrower models against the forecast of their speed."""

    plans: Annotated[int, "models that were raced"]
    mixed_plans: Annotated[int, "of these with several kinds of unit in each layer"]
    median_error: Annotated[float, "median of |forecast / measured − 1| of the speed-up"]
    median_error_prefill: Annotated[float, "the same, reading"]
    median_error_decode: Annotated[float, "the same, writing"]
    median_error_mixed_prefill: Annotated[float, "the same of mixed plans, reading"]
    median_error_mixed_decode: Annotated[float, "the same of mixed plans, writing"]
    worst_error: Annotated[float, "the largest"]
    worst_error_prefill: Annotated[float, "the largest, reading"]
    worst_error_decode: Annotated[float, "the largest, writing"]
    worst_error_mixed_prefill: Annotated[float, "the largest of mixed plans, reading"]
    worst_error_mixed_decode: Annotated[float, "the largest of mixed plans, writing"]
    spread: Annotated[dict[str, float], "share by which a ratio of times may be off by chance, by mode"]
    machine: Annotated[str, "the processor or card"]
    rows: Annotated[list[dict[str, Any]], "kind, units_gone, gone, mode, measured, forecast, error"]


class MixedBench(TypedDict):
    """What the same saving costs by mixed plans, by one kind of unit and by the guide, all measured."""

    over_best_single: Annotated[
        dict[str, float | None], "by case, the mixed plan's KL over the least of one kind of unit"
    ]
    cases_at_most_080: Annotated[int, "cases in which that is 0.80 or less"]
    never_above: Annotated[bool, "whether it is 1 or less in every case"]
    rows: Annotated[list[dict[str, Any]], "case, method, kl, reached, meets, forecast, settings"]


class ExportsBench(TypedDict):
    """Plans of every kind as folders and GGUF files, opened again and raced against the dense model."""

    dense_bytes: Annotated[int, "the dense model's GGUF file that others are raced against"]
    reached_least: Annotated[
        float, "the least speed of writing in llama.cpp over the ratio of the files' sizes"
    ]
    speed_met: Annotated[bool, "whether each plan that must be so much faster is"]
    rows: Annotated[list[dict[str, Any]], "plan, settings, bytes by form, speed by engine, reached, wanted"]


class StreamingBench(TypedDict):
    """Commands on a model whose layers stay on disk, each in a process of its own."""

    tokens: Annotated[int, "of the text, at most"]
    bytes: Annotated[int, "of the model's weight files"]
    peak: Annotated[int, "the largest resident set of all, in bytes"]
    rows: Annotated[list[dict[str, Any]], "command, peak in bytes, seconds, processor_seconds"]


class GalleryBench(TypedDict):
    """The gallery that was written."""

    out: Annotated[str, "the file"]
    bytes: Annotated[int, "its size"]
    day: Annotated[str, "the day it says"]
    version: Annotated[str, "the version of the code it says"]
    rows: Annotated[int, "techniques in the table beside the guide"]
    plans: Annotated[int, "plans"]
    answers: Annotated[int, "answers"]
    busy: Annotated[float, "share of the processors' time that others took while it was timed"]


class DashboardBench(TypedDict):
    """The dashboard in a real browser, on made-up maps: 30 and 80 layers, each with 9 kinds of groups."""

    floor_median_ms: Annotated[float, "the drag on an empty page, median"]
    floor_p95_ms: DragP95
    drag_median_ms_30x5: DragMedian
    drag_p95_ms_30x5: DragP95
    paint_median_ms_30x5: DragMedian
    paint_p95_ms_30x5: DragP95
    unit_median_ms_30x9: DragMedian
    unit_p95_ms_30x9: DragP95
    release_median_ms_30x5: Annotated[float, "letting go, until Python has answered, median"]
    drag_median_ms_80x5: DragMedian
    drag_p95_ms_80x5: DragP95
    paint_median_ms_80x5: DragMedian
    paint_p95_ms_80x5: DragP95
    unit_median_ms_80x9: DragMedian
    unit_p95_ms_80x9: DragP95
    release_median_ms_80x5: Annotated[float, "letting go, until Python has answered, median"]
    release_median_ms: Annotated[float, "the larger of the two"]
    first_page_ms_30x9: Annotated[float, "first page of a fresh server"]
    first_visit_max_ms_30x9: Annotated[float, "first visit of a view, slowest"]
    first_visit_slowest_30x9: Annotated[str, "the view that was slowest then"]
    switch_median_ms_30x9: Annotated[float, "later switches of views, median"]
    switch_max_ms_30x9: Annotated[float, "later switches, slowest"]
    switch_slowest_30x9: Annotated[str, "the view that was slowest"]
    first_page_ms_80x9: Annotated[float, "first page of a fresh server"]
    first_visit_max_ms_80x9: Annotated[float, "first visit of a view, slowest"]
    first_visit_slowest_80x9: Annotated[str, "the view that was slowest then"]
    switch_median_ms_80x9: Annotated[float, "later switches of views, median"]
    switch_max_ms_80x9: Annotated[float, "later switches, slowest"]
    switch_slowest_80x9: Annotated[str, "the view that was slowest"]
    rss_mb: Annotated[float, "memory of the dashboard's process with 8 sessions on 80 layers, MB"]
    torch_loaded: Annotated[bool | None, "whether it has loaded torch, null where that cannot be seen"]


class JourneyBench(TypedDict):
    """A newcomer's way with the demo model in a real browser; seconds of clicking and waiting."""

    ready_s: Annotated[float, "from an empty workspace to the map, and the baseline"]
    first_look_s: Annotated[float, "a plan for a file 20 % smaller, measured, with two answers side by side"]
    measure_s: Annotated[float, "the same plan taken to Prune, fitted to more text and measured in full"]
    compare_s: Annotated[float, "pinned, and two prompts answered before and after"]
    write_gguf_s: Annotated[float, "written as GGUF, loaded again and checked"]
    write_folder_s: Annotated[float, "written as a model folder, loaded again and checked"]
    report_s: Annotated[float, "the report for everybody, downloaded"]
    from_map_s: Annotated[float, "all of it but the first"]
    whole_s: Annotated[float, "all of it"]
