"""What one browser session has chosen: model, criterion, plan, pins. The address holds all of it.

Widget keys die when a page is left and everything dies with a reload, so the choice lives in one plain
session key and is written to the address on every run. A new session starts from its address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.exports.llamacpp import PYTORCH
from pruning.planning.recipe.criterion_names import canonical_criterion
from pruning.planning.recipe.plan import KINDS, Group, Plan, format_settings, parse_settings

KEY, HISTORY, BEFORE = "choice", "plan_history", "criterion_before"
# A widget with these arguments keeps its value while other pages are shown.
PERSIST: dict[str, Any] = {"persist_state": "session"}
MAX_PINS = 6
MAX_UNDO = 50


@dataclass(frozen=True)
class Pin:
    """A plan put aside for comparison, as settings text, with the name the user gave it."""

    name: str
    settings: str


@dataclass(frozen=True)
class Choice:
    """Everything a session has chosen. `settings` is the plan as text, which needs no model to be kept.

    `locks` names what the desk must not move: kinds ("gate") and layers ("12"). `engine` is what times on
    this machine are of, and `target` the device elsewhere that they are of instead, by its name.
    """

    model: str = ""
    dtype: str = "float32"
    device: str = "auto"
    trust_remote_code: bool = False
    allow_pickle: bool = False
    data: str = "demo"
    criterion: str = "fisher"
    engine: str = PYTORCH
    target: str = ""
    settings: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True)
class History:
    """The plans before and after the session's own, as settings; the last of each is the next to come."""

    past: tuple[tuple[str, ...], ...] = ()
    future: tuple[tuple[str, ...], ...] = ()


# Trusting remote code and pickle are left out: a link from somebody else must not switch them on.
_ADDRESS = {
    "model": "",
    "dtype": "float32",
    "device": "auto",
    "data": "demo",
    "criterion": "fisher",
    "engine": PYTORCH,
    "target": "",
}


def from_address(params: dict[str, list[str]]) -> Choice:
    """Read a choice from an address's parameters; what is missing takes its default."""
    plain: dict[str, Any] = {name: params[name][-1] for name in _ADDRESS if params.get(name)}
    if "criterion" in plain:
        plain["criterion"] = canonical_criterion(plain["criterion"])
    settings = tuple(part for text in params.get("plan", []) for part in split_settings(text))
    locks = tuple(lock for text in params.get("lock", []) for lock in text.split(",") if lock)
    pins = []
    for text in params.get("pin", [])[:MAX_PINS]:
        name, _, plan = text.rpartition(":")  # settings hold no colon, a name may
        pins.append(Pin(name, plan))
    return Choice(**plain, settings=settings, locks=locks, pins=tuple(pins))


def to_address(choice: Choice) -> dict[str, str | list[str]]:
    """Write a choice as address parameters, leaving out what has its default."""
    params: dict[str, str | list[str]] = {}
    for name, default in _ADDRESS.items():
        value = getattr(choice, name)
        if value != default:
            params[name] = value
    if choice.settings:
        params["plan"] = ",".join(choice.settings)
    if choice.locks:
        params["lock"] = ",".join(choice.locks)
    if choice.pins:
        params["pin"] = [f"{pin.name}:{pin.settings}" for pin in choice.pins]
    return params


def split_settings(text: str) -> list[str]:
    """Split "up=0.5,down@0-3,7=0.1" into settings: a comma inside a layer list is not a separator."""
    parts: list[str] = []
    for piece in text.replace(" ", "").split(","):
        # a setting ends with its level, so a piece after one without "=" still belongs to the same setting
        if parts and "=" not in parts[-1]:
            parts[-1] += "," + piece
        elif piece:
            parts.append(piece)
    return parts


def parse(text: str, groups: list[Group]) -> Plan:
    """A plan in one line of text; PruningError where it does not fit the groups."""
    return parse_settings(split_settings(text), groups)


# ---- the session ------------------------------------------------------------------------------------


def current() -> Choice:
    """The session's choice; read from the address when the session is new."""
    if KEY not in st.session_state:
        params = {name: st.query_params.get_all(name) for name in st.query_params}
        st.session_state[KEY] = from_address(params)
    return st.session_state[KEY]


def change(**fields: Any) -> None:
    """Change the session's choice and its address."""
    before = current()
    st.session_state[KEY] = replace(before, **fields)
    if current().criterion != before.criterion:
        st.session_state[BEFORE] = before.criterion
    write_address()


def criterion_before() -> str | None:
    """The criterion that the session had before its own; None where it never had another."""
    return st.session_state.get(BEFORE)


def write_address() -> None:
    """Put the choice into the address, leaving parameters of others alone."""
    target = to_address(current())
    for name in (*_ADDRESS, "plan", "lock", "pin"):
        value = target.get(name, [])
        if st.query_params.get_all(name) != ([value] if isinstance(value, str) else value):
            if value:
                st.query_params[name] = value
            elif name in st.query_params:
                del st.query_params[name]


def restore(choice: Choice, plans: History) -> None:
    """Take up everything as it was, the plans to undo as well."""
    st.session_state[KEY], st.session_state[HISTORY] = choice, plans
    write_address()


def choose_model(**fields: Any) -> None:
    """Take another model. The plan stays as text and is read against the new model's groups."""
    st.session_state[HISTORY] = History()
    change(locks=(), **fields)


def choose_demo() -> None:
    """Take the demo model with the defaults for all that maps depend on, whatever was chosen before."""
    default = replace(Choice(), model="demo")
    names = ("model", "dtype", "trust_remote_code", "allow_pickle", "data", "criterion")
    choose_model(**{name: getattr(default, name) for name in names})


def plan(groups: list[Group]) -> Plan:
    """The session's plan for these groups.

    A plan that does not fit them raises PruningError and is kept as it is, so that nothing typed is lost.
    """
    return parse_settings(current().settings, groups)


def set_plan(new: Plan, groups: list[Group]) -> None:
    """Take a whole new plan, and remember the one before."""
    set_settings(format_settings(new, groups))


def set_settings(settings: Sequence[str]) -> None:
    """Take a plan that is settings already, and remember the one before."""
    before, taken = current().settings, tuple(settings)
    if taken != before:
        st.session_state[HISTORY] = History((*history().past, before)[-MAX_UNDO:])
        change(settings=taken)


def set_locks(locks: tuple[str, ...]) -> None:
    """Lock these kinds and layers; what is neither is left out."""
    change(locks=tuple(lock for lock in locks if lock in KINDS or lock.isdigit()))


# ---- undo: one history of the plan for all pages ----------------------------------------------------


def history() -> History:
    return st.session_state.get(HISTORY, History())


def undo() -> None:
    """Take back the last change of the plan, whichever page made it."""
    past, future = history().past, history().future
    if past:
        st.session_state[HISTORY] = History(past[:-1], (*future, current().settings))
        change(settings=past[-1])


def redo() -> None:
    """Take again the change of the plan that was taken back last."""
    past, future = history().past, history().future
    if future:
        st.session_state[HISTORY] = History((*past, current().settings), future[:-1])
        change(settings=future[-1])


def restore_history(past: Sequence[str], future: Sequence[str]) -> None:
    """Go on with the history that the browser kept over a reload, unless a new one has begun.

    Each plan is one line of text.
    """
    if history() == History():
        plans = [tuple(tuple(split_settings(text)) for text in texts[-MAX_UNDO:]) for texts in (past, future)]
        st.session_state[HISTORY] = History(*plans)


def pin(name: str, settings: str) -> None:
    """Put a plan aside; a pin of the same name is replaced."""
    others = tuple(pin for pin in current().pins if pin.name != name)
    if len(others) >= MAX_PINS:
        raise PruningError(f"{MAX_PINS} plans are pinned already. Remove one before pinning another.")
    change(pins=(*others, Pin(name, settings)))


def unpin(name: str) -> None:
    change(pins=tuple(pin for pin in current().pins if pin.name != name))
