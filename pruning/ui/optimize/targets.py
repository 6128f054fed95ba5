"""What the Optimize page is asked for: targets in the user's units, constraints, and what the solver said.

Every target is a field with a session key of its own that outlives a visit of another page; an empty field
is no target. Nothing here solves or draws a figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.allocation.choices import Bounds
from pruning.planning.allocation.targets import Infeasible, Target
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import (
    KINDS,
    MAX_LEVEL,
    Group,
    Plan,
    format_layers,
    format_level,
    named_levels,
)
from pruning.ui.data import session
from pruning.ui.optimize import unit_targets
from pruning.ui.optimize.unit_targets import number
from pruning.ui.text import format, labels

FIRST = 50.0  # percent, on the first visit without a plan
SHARE, MEGABYTES, MILLIONS, DRIFT, WORSE = (
    f"optimize_{name}" for name in ("share", "megabytes", "millions", "kl", "worse")
)
PROTECT, RANGE, FLOORS, CEILINGS = (f"optimize_{name}" for name in ("protect", "range", "floors", "ceilings"))
NO_BOUNDS = Bounds()


@dataclass(frozen=True)
class Constraints:
    """What the solver may not touch or exceed, and the same in the words of the command."""

    bounds: Bounds
    locks: list[str] = field(default_factory=list)
    floors: list[str] = field(default_factory=list)
    ceilings: list[str] = field(default_factory=list)


def begin(share: float) -> None:
    """Give the fields of a new session their first values."""
    first = {SHARE: round(100 * share, 1) or FIRST, MEGABYTES: None, MILLIONS: None, DRIFT: None, WORSE: None}
    for key, value in first.items():
        st.session_state.setdefault(key, value)
    for key, text in {PROTECT: "", FLOORS: "", CEILINGS: ""}.items():
        st.session_state.setdefault(key, text)
    st.session_state.setdefault(RANGE, (0, round(100 * MAX_LEVEL)))


def only_share(percent: float) -> None:
    """Want this share to go, and nothing else: what moving the budget slider means."""
    st.session_state[SHARE] = percent
    for key in (MEGABYTES, MILLIONS, DRIFT, WORSE):
        st.session_state[key] = None
    unit_targets.forget()


def targets(smap: SensitivityMap, others: Sequence[Target] = ()) -> list[Target]:
    """The filled fields as the solver's targets, and those of `others`."""
    dense = smap.dense["perplexity"]
    fields = (
        ("sparsity", SHARE, lambda percent: percent / 100),
        ("bytes", MEGABYTES, lambda megabytes: megabytes * 1e6),
        ("parameters", MILLIONS, lambda millions: millions * 1e6),
        ("kl", DRIFT, float),
        ("perplexity", WORSE, lambda percent: dense * (1 + percent / 100)),
    )
    values = [(name, st.session_state.get(key), read) for name, key, read in fields]
    asked = [*others, *(Target(name, read(value)) for name, value, read in values if value is not None)]
    if not asked:
        raise PruningError("Say what is wanted: fill in at least one of the fields.")
    return asked


def fields(smap: SensitivityMap) -> None:
    """The fields of all targets."""
    dense = smap.dense
    st.caption("Leave empty what does not matter. All that is filled in holds together.")
    number(SHARE, "Remove at least (%)", 5.0, "Share of the prunable weights.")
    number(
        MEGABYTES,
        "Compact file at most (MB)",
        10.0,
        f"{labels.COMPACT} Zeros alone do not make the model folder smaller. "
        f"Unpruned: {format.size(dense['bytes'])}.",
    )
    number(
        MILLIONS,
        "Parameters at most (millions)",
        5.0,
        f"Weights that are not zero, embeddings included. Unpruned: {format.count(dense['parameters'])}.",
    )
    number(
        WORSE,
        "Perplexity at most this much worse (%)",
        1.0,
        f"Beside the unpruned model's {format.perplexity(dense['perplexity'])}, on the same text. The middle "
        "of the forecast is held to it; the band says how far the truth may lie.",
    )
    number(DRIFT, "KL at most (nats per token)", 0.05, labels.KL)
    st.caption("With a limit of quality alone, as much goes as it allows.")


# ---- constraints ------------------------------------------------------------------------------------


def constraint_fields(layers: int, smap: SensitivityMap) -> None:
    """The fields of what the solver may not touch. Locks are the mixer's own."""
    names = [*smap.kinds, *(str(layer) for layer in range(layers))]
    locks = session.current().locks
    key = f"optimize_locks_{','.join(locks)}"
    st.multiselect(
        "Locked as in your plan",
        names,
        [lock for lock in locks if lock in names],
        format_func=lambda name: f"Layer {name}" if name.isdigit() else labels.kind(name),
        key=key,
        placeholder="nothing",
        help="The same locks as by hand. What is locked keeps the level that it has in your plan.",
        on_change=lambda: session.set_locks(tuple(st.session_state[key])),
    )
    st.text_input(
        "Protected layers",
        key=PROTECT,
        placeholder="0-1,29",
        help="They lose nothing at all.",
        **session.PERSIST,
    )
    st.slider(
        "Levels between",
        0,
        round(100 * MAX_LEVEL),
        key=RANGE,
        format="%d %%",
        help="No group goes under or over. A floor above 0 % prunes every group that is not held.",
        **session.PERSIST,
    )
    st.text_input(
        "Own floors",
        key=FLOORS,
        placeholder="up=0.2",
        help="For a kind, or a kind in some layers: up=0.2,down@0-3=0.1",
        **session.PERSIST,
    )
    st.text_input(
        "Own ceilings",
        key=CEILINGS,
        placeholder="qkv=0.5",
        help="For a kind, or a kind in some layers: qkv=0.5,down@0-3=0.3",
        **session.PERSIST,
    )


def constraints(groups: Sequence[Group], plan: Plan, mixed: bool = False) -> Constraints:
    """The bounds that the fields and the session's locks make. PruningError for what cannot be read.

    `mixed`: units and weights may go together; the range of levels is then that of the weights.
    """
    locks = set(session.current().locks)
    locked = {g: plan.get(g, 0.0) for g in groups if g[1] in locks or str(g[0]) in locks}
    low, high = (percent / 100 for percent in st.session_state[RANGE])
    typed_floors = session.split_settings(st.session_state[FLOORS])
    typed_ceilings = session.split_settings(st.session_state[CEILINGS])
    ranged = [group for group in groups if group[1] in KINDS] or groups
    floor = dict.fromkeys(ranged, low) if low > 0 else {}
    ceiling = dict.fromkeys(ranged, high) if high < MAX_LEVEL else {}
    bounds = Bounds(
        locks=locked,
        protect=st.session_state[PROTECT].strip() or None,
        floor=floor | named_levels(typed_floors, groups),
        ceiling=ceiling | named_levels(typed_ceilings, groups),
        most_layers=unit_targets.most_layers() if mixed else None,
    )
    return Constraints(
        bounds,
        locks=_lock_words(locked),
        floors=[*([format_level(low)] if low > 0 else []), *typed_floors],
        ceilings=[*([format_level(high)] if high < MAX_LEVEL else []), *typed_ceilings],
    )


def _lock_words(locked: Mapping[Group, float]) -> list[str]:
    """Locks as the command takes them; unlike a plan's settings they name what stays at 0 as well."""
    layers: dict[tuple[str, float], list[int]] = {}
    for (layer, kind), level in locked.items():
        layers.setdefault((kind, level), []).append(layer)
    return [
        f"{kind}@{format_layers(numbers)}={format_level(level)}" for (kind, level), numbers in layers.items()
    ]


# ---- what the solver said ---------------------------------------------------------------------------


def in_units(target: Target, forecaster: Forecaster) -> str:
    """A target in the units of its field, rounded to the side that can be met, as the solver does."""
    name, value = target.name, target.value
    if name == "sparsity":
        return f"{math.floor(value * 1e4 + 1e-6) / 100:g} % removed"
    if name == "bytes":
        return f"{math.ceil(value / 1e4 - 1e-6) / 100:g} MB as a compact file"
    if name in unit_targets.NAMES:
        return unit_targets.in_units(target)
    if name == "parameters":
        return f"{math.ceil(value / 1e4 - 1e-6) / 100:g} M parameters"
    dense = forecaster.smap.dense["perplexity"]
    if name == "perplexity":
        return f"a perplexity of {format.perplexity(value)} ({100 * (value / dense - 1):.3g} % worse)"
    rise = 100 * math.expm1(forecaster.fit.quality.loss.at(value))
    return f"KL {value:g} (perplexity {_percent_up(rise)} % worse)"


def _percent_up(value: float) -> str:
    """Rounded up, or a target of just this would be refused again."""
    return f"{math.ceil(value * 10) / 10:g}" if value < 100 else f"{math.ceil(value):,}"


def mistake(error: PruningError, forecaster: Forecaster) -> None:
    """What cannot be, and what is nearest. Everything on the page stays as it was."""
    text = str(error)
    if isinstance(error, Infeasible):
        text = error.sentence(lambda target: in_units(target, forecaster))
    st.error(text, icon=":material/error:")
