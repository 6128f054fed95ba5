"""Answers as HTML: where the pruned one leaves the unpruned one, and the drift of each token as shading.

Pure text in, text out. Shading is one hue in five steps, which every kind of colour vision and both themes
can tell apart; every figure is in a table as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from pruning.ui.shared import charts
from pruning.ui.text import format, labels
from pruning.wording import counted

# Upper ends of the first four steps, in nats; the fifth is open.
STEPS = (0.05, 0.2, 0.5, 1.0)

_LAYOUT = """
.answers {display: grid; grid-template-columns: 1fr 1fr; gap: 0.75rem 2rem; line-height: 1.7}
.answers h3 {font-size: 0.85rem; font-weight: 600; margin: 0; padding: 0 0 0.2rem}
.answers p {white-space: pre-wrap; overflow-wrap: anywhere; margin: 0}
.answers mark {color: inherit; background: none; border: 2px solid #D55E00; border-radius: 4px;
  padding: 0 2px; font-weight: 650}
.answers mark::before {content: "\\25C6\\A0"; color: #D55E00; font-weight: 400}
.answers .end {font-size: 0.8em; white-space: nowrap; padding: 0 0.3em}
.answers details {grid-column: 1 / -1; font-size: 0.85rem}
.answers summary {cursor: pointer}
.answers table {border-collapse: collapse; margin: 0.4rem 0}
.answers th, .answers td {padding: 0.1rem 1.2rem 0.1rem 0; text-align: left; font-weight: 400}
.answers thead th {font-weight: 600}
.answers td:nth-child(3) {font-variant-numeric: tabular-nums}
.drift-legend {display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; font-size: 0.85rem; align-items: center}
.drift-legend i {display: inline-block; width: 1.6em; height: 1em; border-radius: 3px; margin-right: 0.4em;
  vertical-align: -0.1em; border: 1px solid rgba(128, 128, 128, 0.45)}
.drift-legend b {font-weight: 650; border: 2px solid #D55E00; border-radius: 4px; padding: 0 3px}
@media (max-width: 800px) {.answers {grid-template-columns: 1fr}}
"""
# One colour of the scale of damage, so faint that words on it stay legible on both grounds.
_SHADES = "\n".join(
    f".drift-{step} {{background: {charts.faint(charts.DAMAGE[4], share)}}}"
    for step, share in enumerate((0.14, 0.27, 0.41, 0.56), 1)
)
STYLE = f"<style>\n{_LAYOUT}{_SHADES}\n</style>"


@dataclass(frozen=True)
class Token:
    """What is drawn as one: its text, its KL in nats (None in the pruned answer), and what it is."""

    text: str
    kl: float | None
    parts: bool = False
    end: bool = False


def legend() -> str:
    """What the mark and the shades mean."""
    edges = [format.kl(edge) for edge in STEPS]
    ranges = [f"below {edges[0]}", *(f"{a} – {b}" for a, b in pairwise(edges))]
    ranges.append(f"above {edges[-1]}")
    shades = "".join(f'<span><i class="drift-{step}"></i>{text}</span>' for step, text in enumerate(ranges))
    return (
        f'{STYLE}<div class="drift-legend"><span>{charts.DAMAGE_TITLE}: KL at each token, in nats</span>'
        f"{shades}"
        "<span><b>◆ word</b> where the two answers part</span></div>"
    )


def answer(row: dict[str, Any], name: str) -> str:
    """One stored answer of the plan `name`: the unpruned text shaded, the pruned one, and the figures."""
    place = row["first_difference"]
    dense = gather(row["dense_tokens"], row["kl"], place, row["dense_ended"])
    pruned = gather(row["pruned_tokens"], None, place, row["pruned_ended"])
    return (
        f'{STYLE}<div class="answers">'
        f"<section><h3>Unpruned, shaded by this plan's drift</h3><p>{_text(dense)}</p></section>"
        f"<section><h3>{escape(name)}</h3><p>{_text(pruned)}</p></section>"
        f"{_numbers(dense)}</div>"
    )


def gather(tokens: Sequence[str], kl: Sequence[float] | None, place: int | None, ended: bool) -> list[Token]:
    """Tokens as they can be drawn: one without text of its own is joined to the next.

    Parameters
    ----------
    tokens
        Texts of the tokens [tokens].
    kl
        KL at each token, nats [tokens]; of joined tokens the largest is taken. None for the pruned answer.
    place
        Index of the first token where the two answers differ; None where they are the same.
    ended
        Whether the model ended the answer by itself.
    """
    drawn: list[Token] = []
    text, most, parts = "", 0.0, False
    for index, piece in enumerate(tokens):
        last = index == len(tokens) - 1
        text, parts = text + piece, parts or index == place
        most = max(most, kl[index] if kl is not None else 0.0)
        if text or last:
            drawn.append(Token(text, most if kl is not None else None, parts, last and ended))
            text, most, parts = "", 0.0, False
    return drawn


def summary(row: dict[str, Any]) -> str:
    """Where the answers part and how far they drift, in a sentence with its badge."""
    kl, place = row["kl"], row["first_difference"]
    where = (
        f"the same answer for all {counted(len(kl), 'token')}"
        if place is None
        else f"leaves the unpruned answer at token **{place + 1}** of {len(kl)}"
    )
    mean, most = format.kl(sum(kl) / len(kl)), format.kl(max(kl))
    return f"{where} · {labels.MEASURED} KL {mean} nats per token on average, {most} at most"


def shade(kl: float) -> int:
    """The step of the shading, 0 to 4, of a KL in nats."""
    return sum(kl >= edge for edge in STEPS)


def _text(tokens: Sequence[Token]) -> str:
    return "".join(_token(token) for token in tokens)


def _token(token: Token) -> str:
    text = escape(token.text)
    if token.end:
        text += '<span class="end">■ end</span>'
    if token.kl is not None:
        step = shade(token.kl)
        style = f' class="drift-{step}"' if step else ""
        text = f'<span{style} title="KL {format.kl(token.kl)} nats">{text}</span>'
    return f"<mark>{text}</mark>" if token.parts else text


def _numbers(tokens: Sequence[Token]) -> str:
    """The same as a table, for those who cannot see the shading or want the figures."""
    rows = "".join(
        f"<tr><td>{number}</td><td>{_named(token)}</td><td>{format.kl(token.kl or 0.0)}</td></tr>"
        for number, token in enumerate(tokens, 1)
    )
    return (
        "<details><summary>Every token in numbers</summary><table><thead><tr><th>Token</th>"
        "<th>Unpruned answer</th><th>KL, nats (measured)</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )


def _named(token: Token) -> str:
    text = escape(token.text.replace("\n", "↵").strip())
    text = text or ("end of the answer" if token.end else "space")
    return f"{text} ◆ parts here" if token.parts else text
