"""The table of the bench of mixed plans."""

from pruning.benchmarks.mixed.points import MIXED
from pruning.benchmarks.tables import (
    NOTHING,
    Figure,
    Result,
    decimals,
    figure_table,
    percent,
    table,
    times,
    yes,
)

SINGLES = ("neurons", "heads", "kv_groups", "layers")


def mixed_tables(result: Result) -> list[str]:
    """By case the measured KL of every method that gets there, and what was wanted."""
    rows = []
    for case, share in result["over_best_single"].items():
        own = [row for row in result["rows"] if row["case"] == case and row["kl"] is not None]
        met = [row for row in own if row["meets"]]
        mixes = [row for row in met if row["method"].startswith(MIXED)]
        best = min(mixes, key=lambda row: row["kl"]) if mixes else None
        singles = [
            next((decimals(3)(row["kl"]) for row in met if row["method"] == method), NOTHING)
            for method in SINGLES
        ]
        form = times if case.startswith("decode") else percent(1)
        guide = next(row for row in own if row["method"] == "guide")
        rows.append(
            (
                case,
                *singles,
                f"{guide['kl']:.3f} (reaches {form(guide['reached'])})",
                NOTHING if best is None else f"{best['kl']:.3f} ({best['method'].replace('mixed, ', '')})",
                NOTHING if best is None else form(best["reached"]),
                NOTHING if share is None else decimals(2)(share),
            )
        )
    header = (
        "measured KL", "neurons alone", "heads alone", "KV groups alone", "layers alone", "the guide",
        "mixed", "mixed reaches", "over the best alone",
    )  # fmt: skip
    figures = [
        Figure(
            "cases_at_most_080", "cases in which mixed is at most 0.80 of the best alone", str, "at least 3"
        ),
        Figure("never_above", "mixed is never above the best alone", yes, "yes"),
    ]
    return [figure_table(result, figures), table(header, rows)]
