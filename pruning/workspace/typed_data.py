"""Whether plain data, as it is read from JSON, is what a TypedDict says, down to the last number."""

import math
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_PLAIN: Mapping[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (float, int)}


def mistakes(value: Any, hint: Any, where: str = "") -> Iterator[str]:
    """What is wrong with a value, each with its place, such as "plans[0].figures.kl is no number".

    Parameters
    ----------
    value
        Plain data.
    hint
        Its type: a TypedDict, `list`, `dict`, a union, a literal or a plain type; `Any` is not looked into.
        A TypedDict may have no other keys than its own, and numbers are finite.
    where
        The place of the value, for the messages.
    """
    hint = _bare(hint)
    origin, inner = get_origin(hint), get_args(hint)
    place = where or "it"
    if hint is Any:
        return
    if is_typeddict(hint):
        yield from _of_keys(value, hint, where)
    elif origin in (Union, UnionType):
        if all(any(mistakes(value, one, where)) for one in inner):
            # What is wrong with the only kind that is not null says more than that no kind fits.
            others = [one for one in inner if one is not type(None)]
            yield from mistakes(value, others[0], where) if len(others) == 1 else (f"{place} is of no kind",)
    elif origin is Literal:
        if value not in inner:
            yield f"{place} is none of {', '.join(map(str, inner))}"
    elif origin is list:
        yield from _of_list(value, inner[0], where)
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{place} is no object"
        else:
            for name, one in value.items():
                yield from mistakes(one, inner[1], f"{where}.{name}".lstrip("."))
    else:
        yield from _of_plain(value, hint, place)


def _bare(hint: Any) -> Any:
    """A type without what is said about it."""
    while get_origin(hint) in (Annotated, NotRequired, Required):
        hint = get_args(hint)[0]
    return hint


def _of_keys(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where or 'it'} is no object"
        return
    hints = get_type_hints(hint, include_extras=True)
    inside = f"{where}." if where else ""
    yield from (f"{inside}{name} is missing" for name in sorted(hint.__required_keys__ - set(value)))
    yield from (f"{inside}{name} is not known" for name in sorted(set(value) - set(hints)))
    for name, one in hints.items():
        if name in value:
            yield from mistakes(value[name], one, f"{inside}{name}")


def _of_list(value: Any, inner: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where or 'it'} is no list"
        return
    for place, one in enumerate(value):
        yield from mistakes(one, inner, f"{where}[{place}]")


def _of_plain(value: Any, hint: Any, place: str) -> Iterator[str]:
    if hint in (None, type(None)):
        if value is not None:
            yield f"{place} is not null"
        return
    kinds = _PLAIN[hint]
    # True and False are numbers to Python.
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
        yield f"{place} is no {'text' if hint is str else 'truth value' if hint is bool else 'number'}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} is not finite"
