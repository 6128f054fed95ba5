"""The tables of each bench: its figures in words, how each is written, and what is wanted of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING = "–"
Result = Mapping[str, Any]
Format = Callable[[Any], str]

# ---- numbers ----------------------------------------------------------------------------------------


def decimals(places: int) -> Format:
    """A number with so many places behind the point."""
    return lambda value: f"{value:,.{places}f}"


def significant(digits: int) -> Format:
    """A number with so many digits that count, never in powers of ten."""

    def text(value: float) -> str:
        rounded = f"{value:.{digits - 1}e}"
        places = digits - 1 - int(rounded.partition("e")[2])
        return f"{float(rounded):,.{max(0, places)}f}" if value else "0"

    return text


def percent(places: int = 0) -> Format:
    """A share, 0..1, in percent."""
    return lambda value: f"{100 * value:.{places}f} %"


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.2f}×"


def milliseconds(value: float) -> str:
    """A time, in seconds from a second on."""
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def seconds(value: float) -> str:
    """A time in seconds."""
    return f"{value:.0f} s"


def yes(value: bool) -> str:
    """A flag in a word."""
    return "yes" if value else "no"


def shown(result: Result, key: str, form: Format) -> str:
    """A figure of the result, or a dash where it was not or could not be measured."""
    value = result.get(key)
    return NOTHING if value is None or value != value else form(value)


# ---- tables -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """One row of a table of figures: a key of the result, what it is, how it is written, what is wanted."""

    key: str
    label: str
    form: Format
    wanted: str = NOTHING


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def figure_table(result: Result, figures: Sequence[Figure]) -> str:
    """Figures with what is wanted of them beside."""
    rows = [(f"{f.label} (`{f.key}`)", shown(result, f.key, f.form), f.wanted) for f in figures]
    return table(("figure", "value", "wanted"), rows)


def _map(result: Result) -> list[str]:
    figures = [
        Figure("processor_forwards", "the map, in dense forwards' processor time", decimals(1), "at most 3"),
        Figure("dense_forwards", "the same on the wall", decimals(1), "at most 3"),
        Figure("statistics_forwards", "of these, the Fisher factors", decimals(1)),
        Figure("pricing_forwards", "of these, the prices", decimals(1)),
        Figure("units_processor_share", "processor seconds that units add", percent(), "at most 25 %"),
        Figure("units_share", "seconds on the wall that units add", percent()),
    ]
    endings = ("", "_kronecker", "_token")
    rows = [
        (f"{name[-2:]} % (`{name}`)", *(shown(result, f"{name}{ending}", decimals(3)) for ending in endings))
        for name in ("spearman_50", "spearman_70")
    ]
    header = ("Spearman with measured KL at", "both estimators", "Kronecker alone", "token alone")
    parts = [(name, decimals(2)(forwards)) for name, forwards in result["parts"].items()]
    where = table(("where the processor's time goes", "dense forwards"), parts)
    return [figure_table(result, figures), where, table(header, rows)]


# Each with its forms after measurements and by the prior, and what is wanted.
_OF_FORECASTS: Sequence[tuple[str, str, Format, Format, str]] = (
    ("median error of KL", "median_error", percent(1), percent(), "below the prior's"),
    ("90th percentile", "p90_error", percent(), percent(), "below the prior's"),
    ("Spearman with measured KL", "spearman", decimals(3), decimals(3), "above the prior's"),
    ("measured KL inside the band", "coverage_80", percent(), percent(), "80 %"),
    ("median error of the rise of perplexity", "perplexity_error", percent(1), percent(), "at most 15 %"),
    *(
        (f"measured {name} inside its band", f"{name}_coverage_80", percent(), percent(), "75–88 %")
        for name in ("perplexity", "agreement", "accuracy")
    ),
)
# What is wanted of recipes that mix units and weights.
_OF_MIXED = {"median_error": "at most 10 %", "p90_error": "at most 30 %", "coverage_80": "75–88 %"}


def _forecast_figures(result: Result, want: Callable[[str, str], str]) -> str:
    rows = []
    for label, key, form, before, usual in _OF_FORECASTS:
        values = shown(result, key, form), shown(result, f"{key}_prior", before)
        rows.append((f"{label} (`{key}`)", *values, want(key, usual)))
    return table(("figure", "after measurements", "prior alone", "wanted"), rows)


def _forecast(result: Result) -> list[str]:
    parts = [
        (
            name,
            str(part["recipes"]),
            shown(part, "median_error", percent(1)),
            shown(part, "p90_error", percent()),
            shown(part, "coverage_80", percent()),
        )
        for group in ("kinds", "criteria")
        for name, part in result[group].items()
        if part["recipes"]
    ]
    return [
        _forecast_figures(result, lambda _, usual: usual),
        table(("recipes", "number", "median error", "90th percentile", "inside the band"), parts),
        f"{result['recipes']} recipes; one forecast of a plan takes "
        f"{shown(result, 'forecast_ms', decimals(1))} ms (`forecast_ms`).",
    ]


def _forecast_mixed(result: Result) -> list[str]:
    rows = [
        (
            next((s.partition("@")[2].partition("=")[0] for s in row["settings"] if "layers@" in s), NOTHING),
            *(percent()(row["sparsity"]), decimals(3)(row["kl"]), decimals(3)(row["forecast"])),
            f"{row['low']:.3f} to {row['high']:.3f}",
            yes(row["inside"]),
        )
        for row in result["rows"]
    ]
    header = ("layers that go", "weights pruned", "measured KL", "forecast", "band", "inside")
    return [_forecast_figures(result, _OF_MIXED.get), table(header, rows)]


def _masks(result: Result) -> list[str]:
    names = {
        "magnitude": "magnitude, uniform",
        "wanda": "Wanda, uniform",
        "sparsegpt": "SparseGPT, uniform",
        "best": "our best",
    }
    rows = [
        (label, shown(result, f"{name}_kl", decimals(3)), shown(result, f"{name}_perplexity", decimals(1)))
        for name, label in names.items()
    ]
    ratio = Figure("best_over_sparsegpt", "KL of our best over SparseGPT's", decimals(2), "under 1")
    header = (f"{percent()(result['sparsity'])} of the weights", "KL", "perplexity")
    return [table(header, rows), figure_table(result, [ratio])]


def _structured(result: Result) -> list[str]:
    cells: dict[str, dict[str, str]] = {}
    for row in result["rows"]:
        text = f"{significant(3)(row['kl'])} ({significant(3)(row['perplexity'])})"
        cells.setdefault(row["method"], {})[row["structure"]] = text
    rows = [(name, *(cells[name].get(s, NOTHING) for s in ("neurons", "heads"))) for name in cells]
    ratios = [
        Figure("neurons_ratio", "KL of our best over Wanda-scored, neurons", decimals(2), "under 1"),
        Figure("heads_ratio", "KL of our best over Fisher-scored, heads", decimals(2), "under 1"),
    ]
    header = ("KL (perplexity)", "20 % of the neurons", "2 of 9 heads")
    return [table(header, rows), figure_table(result, ratios)]


def _verdict(result: Result) -> list[str]:
    rows = [
        (
            f"{row['criterion']}, {row['plan']}",
            decimals(3)(row["kl"]),
            f"{row['repeating']} of {row['counted']}",
            f"{row['cut_short']} of {row['counted']}",
            f"{row['early']} of {row['prompts']}",
            decimals(1)(row["common_prefix"]),
            f"{row['questions_lost']} of {row['questions_right']}",
            row["verdict"],
        )
        for row in result["rows"]
        if row.get("prompts")
    ]
    header = ("plan", "KL", "repeat", "break off", "part early", "tokens shared", "questions lost", "verdict")
    return [table(header, rows)]


def _solver(result: Result) -> list[str]:
    figures = [
        Figure("milliseconds", "solving 150 groups × 20 levels, ms", decimals(0)),
        Figure("gap_to_bound", "largest gap to the bound", significant(2), "0"),
        Figure("mixed_milliseconds", "units and weights, 30 × 9 × 20, ms", decimals(0), "under 200"),
        Figure("ours_best_everywhere", "the solver's plan measures best in every case", yes, "yes"),
    ]
    cases: dict[str, dict[str, float]] = {}
    for row in result["rows"]:
        cases.setdefault(row["case"], {})[row["method"]] = row["kl"]
    rows = [
        (
            name,
            *(shown(kls, method, decimals(4)) for method in ("uniform", "owl", "greedy", "ours")),
            f"{100 * (kls['ours'] / kls['greedy'] - 1):+.2f} %",
        )
        for name, kls in cases.items()
    ]
    header = ("measured KL", "uniform", "OWL", "greedy steps", "the solver", "against greedy")
    return [figure_table(result, figures), table(header, rows)]


TABLES: dict[str, Callable[[Result], list[str]]] = {
    "map": _map,
    "forecast": _forecast,
    "forecast-mixed": _forecast_mixed,
    "masks": _masks,
    "structured": _structured,
    "verdict": _verdict,
    "solver": _solver,
}
