"""The report as one HTML file: no script, nothing loaded, every text in it escaped."""

from html import escape

from pruning.planning.cost.written import compact_bytes, file_bytes
from pruning.planning.report.charts import band_chart, bar_chart, plan_chart
from pruning.planning.report.content import Report, bands, figures_table, screen
from pruning.planning.report.screen import STYLE, first_screen, heading, mark
from pruning.planning.report.shell import shell
from pruning.wording import size

FILE = "report.html"
_STYLE = """<style>
.present svg {display: block; width: 100%; height: auto; margin: 0.4rem 0 0.8rem}
.present table {border-collapse: collapse; width: 100%; margin: 0.4rem 0 0.8rem}
.present th, .present td {text-align: right; padding: 0.35rem 0.6rem;
  border-bottom: 1px solid rgba(128, 128, 128, 0.35); font-variant-numeric: tabular-nums}
.present th:first-child, .present td:first-child {text-align: left}
.present pre {white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.85rem; padding: 0.8rem 1rem;
  border: 1px solid rgba(128, 128, 128, 0.4); border-radius: 10px}
.present .engineer {margin-top: 3rem; border-top: 2px solid rgba(128, 128, 128, 0.4)}
</style>"""


def document(report: Report) -> str:
    """The whole file: one screen for everybody, then all figures."""
    body = (
        f'{STYLE}{_STYLE}<div class="present">{first_screen(screen(report), rank=1)}<div class="below">'
        f"{_sizes(report)}</div>"
        f'<div class="engineer below">{_figures(report)}{_plan(report)}{_answers(report)}{_repeat(report)}'
        "</div></div>"
    )
    return shell(report.title, body)


def _sizes(report: Report) -> str:
    """The sizes as bars."""
    sizes = {"before": report.dense_bytes, "after": file_bytes(report.final)}
    packed = compact_bytes(report.final)
    if packed:
        sizes["compact file"] = packed
    longest = max(sizes.values())
    bars = {name: (value / longest, size(value)) for name, value in sizes.items()}
    return heading("What it takes", 2) + bar_chart(bars)


def _figures(report: Report) -> str:
    head, *rows = figures_table(report)
    table = "".join(
        f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in row)}</tr>"
        for tag, row in [("th", head), *(("td", row) for row in rows)]
    )
    text = f"on the text {escape(report.recipe.data.name)}, {report.pruned['tokens']:,} tokens"
    parts = [heading("Figures", 2), f"<p>{mark('measured')} {text}.</p><table>{table}</table>"]
    seen = bands(report)
    if seen:
        legend = (
            f"<p>{mark('forecast')} a ring with its band, which is meant to hold eight of ten measurements; "
            f"{mark('measured')} a diamond.</p>"
        )
        parts += [heading("Forecast and measured, without training", 2), legend, band_chart(seen)]
    else:
        parts.append("<p>There was no sensitivity map of this model and text, so nothing was forecast.</p>")
    return "".join(parts)


def _plan(report: Report) -> str:
    settings = ", ".join(report.recipe.settings()) or "nothing"
    how = f"Chosen by {report.recipe.criterion}, {report.recipe.structure}: {settings}."
    drawn = plan_chart(report.plan, report.layers)
    return f"{heading('What is pruned, layer by layer', 2)}<p>{escape(how)}</p>{drawn}"


def _answers(report: Report) -> str:
    if not report.answers:
        return ""
    rows = "".join(
        f"<p><b>{escape(row['prompt'])}</b></p>"
        f'<div class="two">{_said("dense", row["dense"])}{_said("pruned", row["pruned"])}</div>'
        for row in report.answers
    )
    return f"{heading('Answers, word by word the most likely, without training', 2)}{rows}"


def _said(who: str, words: str) -> str:
    return f'<div class="card"><p class="small">{who}</p><p class="said">{escape(words)}</p></div>'


def _repeat(report: Report) -> str:
    recipe, model = report.recipe, report.recipe.model.reference
    steps = [f"prunescope measure {model} recipe.yaml", f"prunescope export {model} recipe.yaml --out pruned"]
    if recipe.recovery is not None:
        steps.insert(0, f"prunescope recover {model} recipe.yaml --out recovered.yaml")
    commands = "\n".join(steps)
    return (
        f"{heading('How to repeat it', 2)}<p>Save the recipe as recipe.yaml (it stands beside this file) "
        f"and run:</p><pre>{escape(commands)}</pre><pre>{escape(recipe.dumps())}</pre>"
    )
