"""The first screen of a report: what was done, what it saves, what it costs, and how sure we are of it.

Pure functions from facts to HTML without a script; every text in it is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

# How a figure is known, in the order in which readers are told.
SURE = {
    "measured": "tried with the model itself, on real text and questions",
    "exact": "counted, not guessed",
    "forecast": "worked out: eight times in ten the true value lies in the range shown",
    "estimate": "from bytes and operations alone: a guide, no promise",
    "assumed": "a sum with figures that only you can know",
    "not tried": "nobody knows before it is tried",
}
CERTAIN = ("measured", "exact")


@dataclass(frozen=True)
class Figure:
    """A big number: what it says, how it is known (a name in `SURE`), and what it rests on."""

    value: str
    says: str
    source: str
    basis: str


@dataclass(frozen=True)
class Spoken:
    """One question with the answer before and after. Up to `shared` characters the two are the same."""

    prompt: str
    before: str
    after: str
    shared: int


@dataclass(frozen=True)
class Screen:
    """What stands on the first screen: a title, what was done and what to do with it, figures, an answer."""

    title: str
    done: str
    short: str
    saves: tuple[Figure, ...]
    costs: tuple[Figure, ...]
    spoken: Spoken | None = None


STYLE = """<style>
.present {max-width: 68rem; margin: 0 auto; line-height: 1.45; font-size: 1rem}
.present h1, .present h2, .present h3 {line-height: 1.2; margin: 0; padding: 0}
.present .title {font-size: 1.9rem; font-weight: 650; margin: 0 0 0.2rem}
.present .part {font-size: 1.1rem; font-weight: 600; margin: 0.8rem 0 0.35rem}
.present .below .part {margin-top: 1.8rem}
.present p {margin: 0 0 0.4rem; overflow-wrap: anywhere}
.present .small {font-size: 0.82rem; margin: 0}
.present .three {display: grid; grid-template-columns: repeat(3, 1fr); gap: 0.7rem}
.present .two {display: grid; grid-template-columns: 1fr 1fr; gap: 0.7rem}
.present .card {border: 1px solid rgba(128, 128, 128, 0.4); border-radius: 10px; padding: 0.55rem 0.9rem}
.present .value {font-size: 1.7rem; font-weight: 650; line-height: 1.15; margin: 0; white-space: nowrap}
.present .says {margin: 0 0 0.25rem}
.present .mark {display: inline-block; font-size: 0.75rem; font-weight: 600; border-radius: 99px;
  padding: 0 0.5em; border: 1px solid currentColor; margin-right: 0.2em; white-space: nowrap}
.present .said {white-space: pre-wrap; font-size: 0.95rem; margin: 0}
.present .said mark {color: inherit; background: none; text-decoration: underline 2px #D55E00;
  text-underline-offset: 3px}
.present .sure {display: grid; grid-template-columns: 1fr 1fr; gap: 0.15rem 0.7rem}
.present .asked {margin-bottom: 0.3rem}
@media (max-width: 760px) {.present .three, .present .two, .present .sure {grid-template-columns: 1fr}}
@media print {.present .card, .present section {break-inside: avoid}}
</style>"""


def first_screen(screen: Screen, rank: int) -> str:
    """The screen; its title is a heading of `rank`, its parts are one below."""
    figures = (*screen.saves, *screen.costs)
    return (
        f'<h{rank} class="title">{escape(screen.title)}</h{rank}><p>{escape(screen.done)}'
        f" <b>{escape(screen.short)}</b></p>"
        f"{_cards('What it saves', screen.saves, rank + 1)}{_cards('What it costs', screen.costs, rank + 1)}"
        f"{_spoken(screen.spoken, rank + 1)}{_sure(figures, screen.spoken, rank + 1)}"
    )


def heading(text: str, rank: int) -> str:
    """The heading of a part."""
    return f'<h{rank} class="part">{escape(text)}</h{rank}>'


def mark(source: str) -> str:
    """How a figure is known; told apart by word and sign, not by colour alone."""
    return f'<span class="mark">{"●" if source in CERTAIN else "◌"} {escape(source)}</span>'


def _cards(name: str, figures: tuple[Figure, ...], rank: int) -> str:
    cards = "".join(
        f'<div class="card"><p class="value">{escape(figure.value)}</p>'
        f'<p class="says">{escape(figure.says)}</p>'
        f'<p class="small">{mark(figure.source)} {escape(figure.basis)}</p></div>'
        for figure in figures
    )
    return f'<section>{heading(name, rank)}<div class="three">{cards}</div></section>'


def _spoken(spoken: Spoken | None, rank: int) -> str:
    if spoken is None:
        return ""
    same = spoken.before == spoken.after
    note = "Both are the same, word for word." if same else "Underlined: other words from here on."
    cards = "".join(
        f'<div class="card"><p class="small"><b>{name}</b></p><p class="said">{text}</p></div>'
        for name, text in (
            ("Before", escape(spoken.before)),
            ("After", _parted(spoken.after, spoken.shared)),
        )
    )
    return (
        f"<section>{heading('An answer, before and after', rank)}"
        f'<p class="asked">Asked: “{escape(spoken.prompt)}” <span class="small">{mark("measured")} {note}'
        f'</span></p><div class="two">{cards}</div></section>'
    )


def _parted(text: str, shared: int) -> str:
    rest = text[shared:]
    return escape(text[:shared]) + (f"<mark>{escape(rest)}</mark>" if rest else "")


def _sure(figures: tuple[Figure, ...], spoken: Spoken | None, rank: int) -> str:
    """What the marks on this screen mean."""
    sources = {figure.source for figure in figures} | ({"measured"} if spoken else set())
    said = "".join(
        f'<p class="small">{mark(source)} {escape(text)}</p>'
        for source, text in SURE.items()
        if source in sources
    )
    return f'<section>{heading("How sure we are", rank)}<div class="sure">{said}</div></section>'
