"""The benches of the dashboard as Markdown tables."""

from collections.abc import Callable

from pruning.benchmarks.tables import (
    NOTHING,
    Figure,
    Result,
    decimals,
    figure_table,
    milliseconds,
    seconds,
    shown,
    table,
    yes,
)


def _ui(result: Result) -> list[str]:
    shapes = ("30x5", "80x5")
    rows = [
        (f"{label}: median / 95th percentile (`{name}_…`)", *(_pair(result, name, f"_{s}") for s in shapes))
        for name, label in (
            ("drag", "dragging a fader, event to painted frame"),
            ("paint", "painting on the strip"),
        )
    ]
    label = "dragging a fader of units, all cards following (`unit_…`)"
    rows.append((label, *(_pair(result, "unit", f"_{shape}") for shape in ("30x9", "80x9"))))
    rows.append(("the same on an empty page (`floor_…`)", _pair(result, "floor", ""), NOTHING))
    release = (shown(result, f"release_median_ms_{s}", milliseconds) for s in shapes)
    rows.append(("letting go until Python has answered: median (`release_…`)", *release))
    for name, label, wanted in (
        ("first_page", "first page of a fresh server", "at most 2.0 s"),
        ("first_visit_max", "first visit of a view, slowest", "at most 0.8 s"),
        ("switch_median", "later switches of views, median", "at most 0.3 s"),
        ("switch_max", "later switches, slowest", "at most 0.3 s"),
    ):
        taken = (_with_view(result, name, shape) for shape in ("30x9", "80x9"))
        rows.append((f"{label}, {wanted} (`{name}_ms_…`)", *taken))
    figures = [
        Figure("rss_mb", "memory of the dashboard's process with 8 sessions, MB", decimals(0), "at most 250"),
        Figure("torch_loaded", "torch loaded in it", yes, "no"),
    ]
    return [table(("figure", "30 × 9 groups", "80 × 9 groups"), rows), figure_table(result, figures)]


def _journey(result: Result) -> list[str]:
    steps = [
        Figure("ready_s", "the demo made ready: loaded, its map drawn, its baseline", seconds),
        Figure("first_look_s", "a first look: 20 % smaller, measured, two answers", seconds, "under 60 s"),
        Figure("measure_s", "taken to Prune and measured in full", seconds),
        Figure("compare_s", "pinned, and two prompts answered before and after", seconds),
        Figure("write_gguf_s", "written as GGUF, loaded again and checked", seconds),
        Figure("write_folder_s", "written as a model folder, loaded again and checked", seconds),
        Figure("report_s", "the report, downloaded", seconds),
        Figure("from_map_s", "from the map to the report", seconds, "at most 300 s"),
        Figure("whole_s", "from nothing to the report", seconds),
    ]
    return [figure_table(result, steps)]


def _with_view(result: Result, name: str, shape: str) -> str:
    """A time, with the view that it is of where it is the slowest of several."""
    view = result.get(f"{name.removesuffix('_max')}_slowest_{shape}") if name.endswith("_max") else None
    taken = shown(result, f"{name}_ms_{shape}", milliseconds)
    return f"{taken} ({view})" if view else taken


def _pair(result: Result, name: str, ending: str) -> str:
    values = (shown(result, f"{name}_{part}_ms{ending}", milliseconds) for part in ("median", "p95"))
    return " / ".join(values)


TABLES: dict[str, Callable[[Result], list[str]]] = {"ui": _ui, "journey": _journey}
