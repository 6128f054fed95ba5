"""The benches of methods, on text kept apart: what the same share costs by each, and how plans behave."""

from collections.abc import Sequence
from typing import Any

from pruning.planning.forecast.verdict import measured_verdict
from pruning.planning.recipe.mask_options import DEFAULT, MaskOptions
from pruning.planning.recipe.presets import parse_preset
from pruning.planning.recipe.spec import PruningSpec
from pruning.progress import within
from pruning.tasks.best import best_spec
from pruning.tasks.context.apply import spec_of
from pruning.tasks.context.session import Session
from pruning.tasks.measure import measure, place_of, quality_of

UNIFORM = ("magnitude", "wanda", "sparsegpt")
SHARES = {"neurons": 0.2, "heads": 2 / 9}
# What our best is set against: chosen by scores, as many in every layer, and nothing compensates.
REFERENCES = {"neurons": "wanda", "heads": "fisher"}
SEEN = (
    "prompts",
    "counted",
    "repeating",
    "cut_short",
    "early",
    "common_prefix",
    "questions_right",
    "questions_lost",
    "questions_won",
)
# Plans of many kinds whose answers were read to choose the limits of pruning.planning.forecast.verdict:
# criterion, structure, and settings or a preset.
BEHAVING = (
    ("fisher", "unstructured", "uniform=0.15"),
    ("fisher", "unstructured", "uniform=0.22"),
    ("fisher", "unstructured", "protect_ends=0.25"),
    ("fisher", "unstructured", "uniform=0.3"),
    ("fisher", "neurons", "neurons=0.1"),
    ("wanda", "unstructured", "uniform=0.35"),
    ("wanda", "unstructured", "guide=0.3"),
    ("fisher", "heads", "heads=0.222222"),
    ("wanda", "unstructured", "uniform=0.5"),
    ("magnitude", "unstructured", "uniform=0.5"),
)


def bench_masks(session: Session, sparsity: float = 0.5) -> dict[str, Any]:
    """Measured KL to the dense model at one sparsity: uniform levels by criterion, and our best recipe."""
    specs = {name: PruningSpec((f"all={sparsity:g}",), name, session.data) for name in UNIFORM}
    specs["best"] = best_spec(session, DEFAULT, sparsity)
    result: dict[str, Any] = {"sparsity": sparsity}
    for name, spec in specs.items():
        quality = quality_of(session, spec)
        result |= {f"{name}_kl": quality.kl, f"{name}_perplexity": quality.perplexity}
    result["best_over_sparsegpt"] = result["best_kl"] / result["sparsegpt_kl"]
    result["best_settings"] = list(specs["best"].settings)
    return result


def bench_structured(session: Session) -> dict[str, Any]:
    """Measured KL to the dense model without 20 % of the neurons, and without 2 of 9 heads a layer.

    `neurons_ratio` and `heads_ratio` are our best over the reference; the best may take more from one layer
    than from another, but takes the same share of all. Heads are zeroed, wherever they are.
    """
    rows: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    for structure, share in SHARES.items():
        specs = _unit_specs(session, structure, share)
        kls = {name: _row(session, name, spec, rows) for name, spec in specs.items()}
        result[f"{structure}_ratio"] = kls["best"] / kls[REFERENCES[structure]]
        result[f"{structure}_best_settings"] = list(specs["best"].settings)
    return {**result, "rows": rows}


def _unit_specs(session: Session, structure: str, share: float) -> dict[str, PruningSpec]:
    """The methods by name: by scores alone, with compensation, and our best."""
    uniform, data = (f"{structure}={share:.6g}",), session.data
    bare, options = MaskOptions(structure=structure, compensate=False), MaskOptions(structure=structure)
    return {
        **{name: PruningSpec(uniform, name, data, bare) for name in ("l2", "wanda", "fisher")},
        "fisher, refitted": PruningSpec(uniform, "fisher", data, options),
        "best": best_spec(session, options, share),
    }


def _row(session: Session, name: str, spec: PruningSpec, rows: list[dict[str, Any]]) -> float:
    quality, structure = quality_of(session, spec), spec.options.structure
    rows.append({"structure": structure, "method": name, "kl": quality.kl, "perplexity": quality.perplexity})
    session.progress(len(rows), 10, f"{structure}, {name}: KL {quality.kl:.3f}")
    return quality.kl


def bench_verdict(session: Session, plans: Sequence[tuple[str, str, str]] = BEHAVING) -> dict[str, Any]:
    """Measure how plans of many criteria and structures behave, with the verdict on each, by KL.

    What the workspace has is not measured again: a bench that was broken off goes on where it was.
    """
    rows = []
    for number, (criterion, structure, text) in enumerate(plans):
        part = session.reporting(within(session.progress, number, len(plans), f"{criterion}, {text}"))
        # Units are pruned as the scores say, and nothing compensates.
        options = MaskOptions(structure=structure, compensate=structure == DEFAULT.structure)
        rows.append(_behaving(part, criterion, options, text))
    return {"plans": len(rows), "rows": sorted(rows, key=lambda row: row["kl"])}


def _behaving(session: Session, criterion: str, options: MaskOptions, text: str) -> dict[str, Any]:
    settings = [text]
    if options.structure == DEFAULT.structure:
        settings = session.settings(parse_preset(text, session.every_group))
    spec = spec_of(session, settings, criterion, options.changed())
    figures = session.stored(*place_of(session, spec))
    if figures is None or "behaviour" not in figures:
        figures = measure(session, settings, criterion, **options.changed())
    seen = figures["behaviour"]
    return {
        "criterion": criterion,
        "structure": options.structure,
        "plan": text,
        "kl": figures["kl"],
        "perplexity": figures["perplexity"],
        **{name: seen[name] for name in SEEN if name in seen},
        "verdict": measured_verdict(figures).level,
        "example": seen.get("example"),
    }
