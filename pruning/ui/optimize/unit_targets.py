"""Targets that only whole units meet: the folder's size, memory and speed; and how many layers may go."""

from __future__ import annotations

import math

import streamlit as st

from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.allocation.targets import Target
from pruning.planning.cost.model_size import CONTEXT_TOKENS, running_bytes
from pruning.ui.data import session
from pruning.ui.text import format

FILE, MEMORY, READING, WRITING = (f"optimize_{name}" for name in ("file", "memory", "reading", "writing"))
MOST_LAYERS = "optimize_most_layers"
# The solver's name of each field's target, and what one unit of the field is.
FIELDS = {
    FILE: ("file_bytes", 1e6),
    MEMORY: ("memory", 1e6),
    READING: ("speedup", 1.0),
    WRITING: ("decode_speedup", 1.0),
}
NAMES = tuple(name for name, _ in FIELDS.values())


def number(key: str, label: str, step: float, help: str) -> None:
    """A field of a number that may stay empty."""
    st.number_input(
        label,
        min_value=0.0,
        value=None,  # or it could not be emptied
        step=step,
        format="%g",
        key=key,
        help=help,
        placeholder="any",
        **session.PERSIST,
    )


def fields(machine: Machine) -> None:
    """The fields; a speed says whether it rests on times measured here."""
    parts = machine.parts
    size = format.size(parts.file_bytes)
    number(
        FILE,
        "Model folder at most (MB)",
        10.0,
        f"What an ordinary export writes: whole units are cut out, zeros are not. Unpruned: {size}.",
    )
    number(
        MEMORY,
        "Memory at most (MB)",
        10.0,
        f"While it runs: weights, and keys and values of {CONTEXT_TOKENS:,} tokens. Unpruned: "
        f"{format.size(running_bytes(parts))}.",
    )
    how = (
        "By times that were measured of this model on this machine."
        if machine.latency
        else "An estimate by bytes and operations: this model was not timed here yet."
    )
    number(READING, "Reads at least so many times as fast", 0.05, how)
    number(WRITING, "Writes at least so many times as fast", 0.05, how)


def targets() -> list[Target]:
    """The filled fields as the solver's targets."""
    asked = [(name, unit, st.session_state.get(key)) for key, (name, unit) in FIELDS.items()]
    return [Target(name, value * unit) for name, unit, value in asked if value is not None]


def forget() -> None:
    """Empty the fields."""
    for key in FIELDS:
        st.session_state[key] = None


def most_layers_field(layers: int) -> None:
    """How many layers may go; empty for the solver's own bound."""
    st.number_input(
        "Layers that may go, at most",
        0,
        layers - 1,
        None,
        1,
        key=MOST_LAYERS,
        placeholder="a quarter",
        help="Layers lean on one another: what several cost together is less sure than anything else here.",
        **session.PERSIST,
    )


def most_layers() -> int | None:
    """The same as a number."""
    value = st.session_state.get(MOST_LAYERS)
    return None if value is None else int(value)


def in_units(target: Target) -> str:
    """A target in the units of its field, rounded to the side that can be met."""
    if target.name in ("file_bytes", "memory"):
        what = "as a model folder" if target.name == "file_bytes" else "of memory"
        return f"{math.ceil(target.value / 1e4 - 1e-6) / 100:g} MB {what}"
    times = math.floor(target.value * 1e3 + 1e-6) / 1e3
    return f"{'reading' if target.name == 'speedup' else 'writing'} {times:g}× as fast"
