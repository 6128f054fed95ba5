"""Rows of marks on one scale, as HTML: a forecast with its band, what was measured, the unpruned model.

Pure text in, text out. Drawn as HTML because a chart would be built anew, and flicker, whenever a fader is
let go. The marks repeat what the words beside them say, so that nobody needs to see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """<style>
.tracks {--forecast: light-dark(#0068A5, #6BB8EC); --measured: light-dark(#00734F, #2FBF94);
  --unpruned: light-dark(#6B7580, #9AA5B1); display: grid; align-items: center;
  grid-template-columns: max-content minmax(8rem, 1fr) max-content; gap: 0.3rem 0.9rem; font-size: 0.85rem;
  font-variant-numeric: tabular-nums}
.tracks .rail {position: relative; height: 1.1rem}
.tracks .rail::before {content: ""; position: absolute; inset: 50% 0 auto; border-top: 1px solid
  rgba(128, 128, 128, 0.45)}
.tracks .rail > * {position: absolute; top: 50%; transform: translate(-50%, -50%)}
.tracks .line {width: 1px; height: 100%; background: rgba(128, 128, 128, 0.55)}
.tracks .band {height: 0.5rem; transform: translateY(-50%); border-radius: 3px; opacity: 0.32}
.tracks .forecast {color: var(--forecast)} .tracks .measured {color: var(--measured)}
.tracks .unpruned {color: var(--unpruned)}
.tracks .band.forecast {background: var(--forecast)} .tracks .band.measured {background: var(--measured)}
.tracks i {display: inline-block; box-sizing: border-box; width: 0.62rem; height: 0.62rem}
.tracks i.forecast {background: var(--forecast); rotate: 45deg; border-radius: 1px}
.tracks i.measured {background: var(--measured); border-radius: 50%}
.tracks i.unpruned {width: 0.22rem; height: 0.9rem; background: var(--unpruned); border-radius: 1px}
.tracks .key {grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem}
.tracks .key i {margin-right: 0.45em; vertical-align: -0.05em}
.tracks .said span {margin-left: 0.8em} .tracks .said span:first-child {margin-left: 0}
.tracks .scale {height: 1rem; font-size: 0.75rem; opacity: 0.75; position: relative}
.tracks .scale span {position: absolute; transform: translateX(-50%); white-space: nowrap}
@media (max-width: 640px) {.tracks {grid-template-columns: max-content 1fr}
  .tracks .said {grid-column: 1 / -1}
  .tracks .scale + .said {display: none}}
</style>"""
FORECAST, MEASURED, UNPRUNED = "forecast", "measured", "unpruned"


@dataclass(frozen=True)
class Mark:
    """One figure on a rail: `form` is FORECAST, MEASURED or UNPRUNED; `at` and its band are 0..1 of the rail.

    `said` is the figure in words, which stands beside the rail in the mark's colour; empty for none.
    """

    form: str
    at: float
    said: str
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Row:
    """What a rail is about, and its marks."""

    label: str
    marks: Sequence[Mark]


def tracks(
    rows: Sequence[Row], scale: Sequence[tuple[float, str]], key: Sequence[tuple[str, str]] = ()
) -> str:
    """The rows, with named lines at `scale` (0..1, text) and, above, what each form means (`key`)."""
    named = "".join(f'<span><i class="{form}"></i>{escape(text)}</span>' for form, text in key)
    head = f'<div class="key">{named}</div>' if key else ""
    body = "".join(_row(row, [at for at, _ in scale]) for row in rows)
    ends = "".join(f'<span style="left:{_percent(at)}">{escape(text)}</span>' for at, text in scale)
    foot = f'<span></span><div class="scale" aria-hidden="true">{ends}</div><span class="said"></span>'
    return f'{STYLE}<div class="tracks">{head}{body}{foot}</div>'


def _row(row: Row, lines: Sequence[float]) -> str:
    drawn = "".join(f'<span class="line" style="left:{_percent(at)}"></span>' for at in lines)
    drawn += "".join(_band(mark) for mark in row.marks if mark.band)
    drawn += "".join(f'<i class="{mark.form}" style="left:{_percent(mark.at)}"></i>' for mark in row.marks)
    said = "".join(f'<span class="{mark.form}">{escape(mark.said)}</span>' for mark in row.marks if mark.said)
    return (
        f'<span>{escape(row.label)}</span><div class="rail" aria-hidden="true">{drawn}</div>'
        f'<span class="said">{said}</span>'
    )


def _band(mark: Mark) -> str:
    low, high = (min(1.0, max(0.0, end)) for end in mark.band or (0.0, 0.0))
    return f'<span class="band {mark.form}" style="left:{_percent(low)};width:{_percent(high - low)}"></span>'


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"
