"""Plain data is held against its TypedDict, and what is wrong is named with its place."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from pruning.workspace.typed_data import mistakes


class _Row(TypedDict):
    kl: Annotated[float, "a figure"]


class _Options(TypedDict, total=False):
    structure: Annotated[str, "the structure"]


class _Result(_Options):
    rows: Annotated[list[_Row], "rows"]
    best: Annotated[_Row | None, "one of them"]
    times: dict[str, list[float]]
    good: bool
    tokens: int
    kind: Literal["cut", "bitmask"]
    anything: Any
    either: int | str
    more: NotRequired[Annotated[int, "sometimes"]]


GOOD: dict[str, Any] = {
    "rows": [{"kl": 1.5}, {"kl": 0}],
    "best": None,
    "times": {"prefill": [1.0, 2.0]},
    "good": True,
    "tokens": 3,
    "kind": "cut",
    "anything": {"of": [object]},
    "either": "text",
}


def test_what_is_as_it_says_has_no_mistakes() -> None:
    assert not [*mistakes(GOOD, _Result)]
    assert not [*mistakes({**GOOD, "more": 1, "structure": "n:m", "best": {"kl": 2.0}, "either": 1}, _Result)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rows": [{"kl": 1.0}, {}]}, "rows[1].kl is missing"),
        ({"rows": [{"kl": 1.0, "perplexity": 2.0}]}, "rows[0].perplexity is not known"),
        ({"rows": [{"kl": float("nan")}]}, "rows[0].kl is not finite"),
        ({"rows": [{"kl": True}]}, "rows[0].kl is no number"),
        ({"rows": [{"kl": None}]}, "rows[0].kl is no number"),
        ({"rows": {}}, "rows is no list"),
        ({"rows": [1]}, "rows[0] is no object"),
        ({"best": {"kl": "1"}}, "best.kl is no number"),
        ({"times": [1.0]}, "times is no object"),
        ({"times": {"prefill": [1.0, float("inf")]}}, "times.prefill[1] is not finite"),
        ({"good": 1}, "good is no truth value"),
        ({"tokens": 3.5}, "tokens is no number"),
        ({"kind": "csr"}, "kind is none of cut, bitmask"),
        ({"structure": 5}, "structure is no text"),
        ({"either": 1.5}, "either is of no kind"),
        ({"more": None}, "more is no number"),
        ({"other": 1}, "other is not known"),
    ],
)
def test_a_mistake_is_named_with_its_place(wrong: dict[str, Any], said: str) -> None:
    assert [*mistakes({**GOOD, **wrong}, _Result)] == [said]


def test_every_mistake_is_named_and_what_is_no_object_is_said() -> None:
    assert len([*mistakes({**GOOD, "tokens": "3", "good": None}, _Result)]) == 2
    assert [*mistakes([], _Result)] == ["it is no object"]
    assert [*mistakes(1, None)] == ["it is not null"]
