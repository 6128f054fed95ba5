"""The Impact page's parts: what to measure, claims beside measurements row by row, the chart, the CSV."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import streamlit as st

from pruning.planning.recipe.guide_claims import TECHNIQUES, Technique, Verdict, verdict
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Group, parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import queries as services
from pruning.ui.data import session as state
from pruning.ui.impact import chart as impact_chart
from pruning.ui.shared import charts
from pruning.ui.shared import page as shell
from pruning.ui.text import format as words
from pruning.ui.text import impact as impact_words
from pruning.workspace import results

BUSY = 2.0
STEPS = 20
Rows = dict[str, dict[str, Any]]


def page(model: services.Info, busy: bool) -> None:
    _ask(model, busy)

    @st.fragment(run_every=BUSY if busy else None)
    def results() -> None:
        found = rows(model)
        if found:
            verdicts = {name: verdict(row, list(found.values())) for name, row in found.items()}
            _families(model, found, verdicts, busy)
            _chart(found)
            _download(found, verdicts)

    results()


def rows(model: services.Info) -> Rows:
    """The newest row of each technique on the newest text of this name, in the order they are shown."""
    found: Rows = {}
    for row in results.impact(services.store(), services.subject(model), services.device(model)):
        found.setdefault(row["key"]["name"], row["value"])
    return {one.name: found[one.name] for one in TECHNIQUES if one.name in found}


def _ask(model: services.Info, busy: bool) -> None:
    """What will be measured, and the button."""
    found = rows(model)
    with st.container(border=True, key="impact_ask"):
        st.markdown(
            "The *Model Pruning Guide* has a table of techniques with what each is said to gain and to lose. "
            "Here each is done to your model, measured, and undone; better ways with the same share gone "
            "stand beside it."
        )
        st.caption(
            f"The guide loses quality in words, not figures. We read {impact_words.READ}. Nothing is trained "
            "to make up for the loss, save the lottery ticket."
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            drawn = st.checkbox(
                "The lottery ticket too",
                key="impact_lottery",
                persist_state="session",
                help=f"It trains four networks for {STEPS} steps each, which takes long without a GPU. "
                "So few steps tell only roughly what a ticket can do.",
            )
            wanted = services.request(
                "impact", data=state.current().data, lottery_steps=STEPS if drawn else 0
            )
            missing = [one for one in TECHNIQUES if one.name not in found and (drawn or not one.training)]
            st.button(
                "Measure all" if not found else f"Measure {len(missing)} more" if missing else "All measured",
                type="primary",
                icon=":material/fact_check:",
                disabled=busy or not missing,
                key="impact_start",
                on_click=shell.act,
                args=(lambda: services.submit(wanted),),
            )
            st.caption("Rows appear one by one, and stay. The quick ones come first.", width="content")
        shell.command(wanted)


# ---- the rows ---------------------------------------------------------------------------------------


def _families(model: services.Info, found: Rows, verdicts: dict[str, Verdict], busy: bool) -> None:
    st.header("Claims and measurements", anchor=False)
    st.caption(
        "Size is of all weights in the form that takes least room. Reading (a prompt) "
        "and writing (an answer) are times as fast as the unpruned model, timed in turns with it. "
        "**Zeros alone stay at 1.0×, since no kernel uses them.** KL is in nats per token."
    )
    for family in impact_words.families():
        there = [(one, found[one.name]) for one in family if one.name in found]
        if there:
            _family(model, family[0], there, verdicts, busy)


def _family(
    model: services.Info,
    first: Technique,
    there: list[tuple[Technique, dict[str, Any]]],
    verdicts: dict[str, Verdict],
    busy: bool,
) -> None:
    with st.container(border=True, key=f"impact_{first.name}"):
        st.subheader(impact_words.heading(first), anchor=False)
        table = impact_words.table(there)
        if len(table):
            alt = f"Claimed and measured: {impact_words.heading(first)}"
            st.table(table, border="horizontal", alt=alt)
        with st.container(gap="xsmall"):
            for technique, row in there:
                said = verdicts[technique.name]
                marks = impact_words.badges(said)
                st.markdown(f"**{technique.title}** {marks} :small[{said.text}]")
                for note in _notes(technique, row):
                    st.caption(note)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            for technique, row in there:
                _action(model, technique, row, busy)
            if first.whole and services.exports(model):
                shell.link("export", "Written models")


def _notes(technique: Technique, row: dict[str, Any]) -> list[str]:
    """What has to be known to read a row."""
    if row.get("refused"):
        return []
    notes = [impact_words.note(technique.claim)] if technique.claim and technique.claim.sparse else []
    if "steps" in row:
        notes.append(
            f"Trained for {row['steps']} steps in each of {row['rounds'] + 2} networks, which is few. "
            f"Perplexity of a random ticket {words.perplexity(row['random_perplexity'])}, of the unpruned "
            f"model trained as long {words.perplexity(row['trained_perplexity'])}."
        )
    if len(row["settings"]) > 1 and row["form"] == "cut":
        notes.append(
            "Layers take turns between more and fewer heads, since heads go evenly from the keys and values "
            "they share."
        )
    return notes


def _action(model: services.Info, technique: Technique, row: dict[str, Any], busy: bool) -> None:
    """Take the row's plan up on Explore; of whole units, write the model."""
    if row.get("refused") or technique.training:
        return
    if not technique.whole:
        if st.button(
            f"Explore {technique.title}", icon=":material/tune:", key=f"impact_open_{technique.name}"
        ):
            state.change(criterion=row["criterion"], settings=tuple(row["settings"]))
            st.switch_page(shell.PAGES["explore"].script)
        return
    st.button(
        f"Write {technique.title}",
        icon=":material/save:",
        key=f"impact_write_{technique.name}",
        disabled=busy,
        help="Writes the pruned model to the workspace and loads it again. It is listed on Export. "
        + ("Full-size, with zeros." if row.get("not_smaller") else "Its tensors are smaller."),
        on_click=shell.act,
        args=(lambda: services.submit(_export(model, technique, row)),),
    )


def _export(model: services.Info, technique: Technique, row: dict[str, Any]) -> dict[str, Any]:
    """The request that writes the row's model under a free name."""
    options, choice = MaskOptions.of(row["options"]), state.current()
    groups: list[Group] = [(layer, options.structure) for layer in range(model.layers)]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", choice.model.rstrip("/").split("/")[-1]).strip("-") or "model"
    stem = f"{stem}-{technique.name.replace('_', '-')}"
    folder = services.store().exports()
    names = (f"{stem}-{number}" if number > 1 else stem for number in count(1))
    name = next(free for free in names if not (folder / free).exists())
    recipe = Recipe.from_plan(
        parse_settings(row["settings"], groups),
        groups,
        ModelEntry(reference=choice.model, fingerprint=model.fingerprint),
        DataEntry(name=row["data"]),
        row["criterion"],
        options,
    ).with_details(name=name)
    masked = {"masked": True} if row.get("not_smaller") else {}
    return services.request("export", recipe=recipe.to_dict(), name=name, **masked)


# ---- all of them ------------------------------------------------------------------------------------


def _chart(found: Rows) -> None:
    shown = [row for row in found.values() if not row.get("refused")]
    if len(shown) < 2:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.header("What size costs", anchor=False, width="content")
        metric = st.segmented_control(
            "Cost", ["KL", "Perplexity"], default="KL", key="impact_metric", label_visibility="collapsed"
        )
    st.caption(":green-badge[measured] Lower and further to the left is better.")
    st.plotly_chart(
        impact_chart.costs(shown, metric or "KL"),
        key="impact_chart",
        config=charts.BARE,
        alt="Measured size of each technique against what it costs in quality",
    )


def _download(found: Rows, verdicts: dict[str, Verdict]) -> None:
    st.download_button(
        "Download as CSV",
        lambda: impact_words.csv(list(found.values()), verdicts),
        file_name="impact.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="impact_csv",
    )
