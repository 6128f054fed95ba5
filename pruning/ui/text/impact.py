"""Rows of the Impact page in words: headings, claims, table cells, the CSV. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pruning.planning.recipe.guide_claims import (
    BY_NAME,
    READ_AS,
    TECHNIQUES,
    Claim,
    Technique,
    Verdict,
    compact_ratio,
    memory_ratio,
    perplexity_ratio,
    written_bytes,
)
from pruning.ui.text import format, labels

Row = Mapping[str, Any]
CLAIMED = ":gray-badge[the guide claims]"
ASPECT = {"memory": "Smaller", "speed": "Faster", "quality": "Quality"}
READ = ", ".join(
    f"“{word}” as a perplexity at most {format.percent(times - 1)} higher" for word, times in READ_AS.items()
)


def families() -> list[list[Technique]]:
    """Techniques that remove the same share of the same things; the guide's comes first."""
    groups: dict[str, list[Technique]] = {}
    for technique in TECHNIQUES:
        groups.setdefault(technique.beside or technique.name, []).append(technique)
    return list(groups.values())


def heading(technique: Technique) -> str:
    """What goes in a family, such as "50 % of the weights"."""
    share = format.percent(technique.share)
    if technique.training:
        return f"{share} of the weights, after training"
    if technique.structure == "neurons":
        return f"{share} of the channels (neurons) of each MLP"
    return f"{share} of the attention heads" if technique.whole else f"{share} of the weights"


def note(claim: Claim) -> str:
    """What the guide adds to its claim."""
    return "The guide adds that its speed needs support for sparse tensors." if claim.sparse else ""


def badges(verdict: Verdict) -> str:
    """A badge for each aspect of the claim: whether it holds here."""
    signs = {"holds": ("green", "check", "holds"), "short": ("orange", "close", "does not hold")}
    said = []
    for aspect, holds in verdict.claims.items():
        colour, icon, text = signs[holds]
        said.append(f":{colour}-badge[:material/{icon}: {ASPECT[aspect]}: {text}]")
    return " ".join(said)


def table(there: Sequence[tuple[Technique, Row]]) -> pd.DataFrame:
    """A family's claim, and under it the measured figures: a line for each technique, the unpruned model's
    last. Empty where nothing was measured."""
    measured = [(technique, row) for technique, row in there if not row.get("refused")]
    if not measured:
        return pd.DataFrame()
    lines = [_claimed(technique, technique.claim) for technique, _ in measured if technique.claim]
    lines += [_line(technique, row) for technique, row in measured]
    lines.append(_unpruned([row for _, row in measured]))
    return pd.DataFrame(lines).set_index("Technique")


def _claimed(technique: Technique, claim: Claim) -> dict[str, str]:
    return {
        "Technique": f"{technique.title} {CLAIMED}",
        "Size": f"{claim.memory:g}× smaller",
        "Reading": f"{claim.speed:g}×",
        "Writing": f"{claim.speed:g}×",
        "Perplexity": f"“{claim.quality}” loss",
        "KL": "–",
        "Next word right": "–",
        "Questions right": "–",
    }


def _line(technique: Technique, row: Row) -> dict[str, str]:
    return {
        "Technique": f"**{technique.title}** {labels.MEASURED}",
        "Size": _size(row),
        "Reading": _speed(row, "prefill"),
        "Writing": _speed(row, "decode"),
        "Perplexity": f"{format.perplexity(row['perplexity'])} :small[({times(perplexity_ratio(row))})]",
        "KL": format.kl(row["kl"]),
        "Next word right": format.percent(row["accuracy"]),
        "Questions right": format.percent(row["probe_accuracy"]) if "probe_accuracy" in row else "–",
    }


def _size(row: Row) -> str:
    """The written file, and what there is smaller than that."""
    ratio, compact = memory_ratio(row), compact_ratio(row)
    said = format.size(written_bytes(row))
    if ratio > 1.0:
        return f"{said} · :small[{times(ratio)} smaller tensors]"
    if compact is not None:
        return f"{said} · :small[compact file {format.size(row['bytes'])}, {times(compact)} smaller]"
    return said


def _unpruned(rows: Sequence[Row]) -> dict[str, str]:
    row = rows[0]
    asked = next((one for one in rows if "dense_probe_accuracy" in one), None)
    return {
        "Technique": f"Unpruned {labels.MEASURED}",
        "Size": format.size(row["dense_bytes"]),
        "Reading": "1×",
        "Writing": "1×",
        "Perplexity": format.perplexity(row["dense_perplexity"]),
        "KL": "0",
        "Next word right": format.percent(row["dense_accuracy"]),
        "Questions right": format.percent(asked["dense_probe_accuracy"]) if asked else "–",
    }


def _speed(row: Row, name: str) -> str:
    speed = row.get("speed")
    if speed is None:
        return "not timed"
    if row["form"] != "cut" and speed[f"{name}_low"] <= 1.05 and speed[f"{name}_high"] >= 0.95:
        return "1.0×"
    return times(speed[name])


def times(ratio: float) -> str:
    """A ratio with the figures that matter: 1.04 → "1.0×", 15.23 → "15×"."""
    if ratio >= 1e4:
        return f"{format.perplexity(ratio)}×"
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:,.0f}×"


def csv(rows: Sequence[Row], verdicts: Mapping[str, Verdict]) -> str:
    """Every row in figures, with its unit in the column's name."""
    return pd.DataFrame([_figures(row, verdicts[row["name"]]) for row in rows]).to_csv(
        index=False, float_format="%.6g"
    )


def _figures(row: Row, verdict: Verdict) -> dict[str, Any]:
    claim, speed = BY_NAME[row["name"]].claim, row.get("speed") or {}
    about = {
        "row": row["name"],
        "technique": row["title"],
        "share_percent": 100 * row["share"],
        "claimed_times_smaller": claim.memory if claim else None,
        "claimed_times_faster": claim.speed if claim else None,
        "claimed_loss": claim.quality if claim else None,
    }
    if row.get("refused"):
        return {**about, "verdict": verdict.text}
    return {
        **about,
        "sparsity_percent": 100 * row["sparsity"],
        "file_bytes": written_bytes(row),
        "dense_bytes": row["dense_bytes"],
        "times_smaller": memory_ratio(row),
        "bytes": row["bytes"],
        "form": row["form"],
        "compact_times_smaller": compact_ratio(row),
        "times_faster_reading": speed.get("prefill"),
        "times_faster_reading_low": speed.get("prefill_low"),
        "times_faster_reading_high": speed.get("prefill_high"),
        "times_faster_writing": speed.get("decode"),
        "times_faster_writing_low": speed.get("decode_low"),
        "times_faster_writing_high": speed.get("decode_high"),
        "kl_nats_per_token": row["kl"],
        "perplexity": row["perplexity"],
        "dense_perplexity": row["dense_perplexity"],
        "next_token_percent": 100 * row["accuracy"],
        "questions_percent": 100 * row["probe_accuracy"] if "probe_accuracy" in row else None,
        "verdict": verdict.text,
    }
