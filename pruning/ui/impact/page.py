"""The Impact page's parts: what to measure, claims beside measurements row by row, the chart, the CSV."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pruning.planning.recipe.guide_claims import TECHNIQUES, Technique, Verdict, verdict
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Group, parse_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.planning.recipe.recipe_entries import DataEntry, ModelEntry
from pruning.ui.data import gallery, queries, requests, session, written
from pruning.ui.impact import chart
from pruning.ui.shared import charts, jobs
from pruning.ui.shared import page as page_frame
from pruning.ui.shared.frame import elsewhere
from pruning.ui.text import format, labels
from pruning.ui.text import impact as impact_words
from pruning.wording import counted

STEPS = 20
Rows = dict[str, dict[str, Any]]


def view() -> None:
    """What the guide claims of each technique, beside what it does to this model on this machine."""
    busy = jobs.panel(("impact", "export"))
    model = page_frame.require_model()
    if model:
        page(model, busy)
    if model is None or not (busy or rows(model)):
        elsewhere.card("What the guide claims, and what was measured", lambda: _claims(gallery.impact()))


def _claims(measured: Rows) -> None:
    """Measured rows beside the guide's claims, and their chart."""
    for family in impact_words.families():
        pairs = [(technique, measured[technique.name]) for technique in family if technique.name in measured]
        if pairs and len(table := impact_words.table(pairs)):
            st.markdown(f"**{impact_words.heading(family[0])}**")
            st.table(table, border="horizontal", alt=f"Measured: {impact_words.heading(family[0])}")
    _chart(measured)


def page(model: queries.Info, busy: bool) -> None:
    _ask(model, busy)

    @st.fragment(run_every=jobs.PARTIAL if busy else None)
    def draw() -> None:
        measured = rows(model)
        if measured:
            verdicts = {name: verdict(row, list(measured.values())) for name, row in measured.items()}
            _families(model, measured, verdicts, busy)
            _chart(measured)
            _download(measured, verdicts)

    draw()


def rows(model: queries.Info) -> Rows:
    """The newest row of each technique on the newest text of this name, in the order they are shown."""
    newest: Rows = {}
    for row in queries.guide_comparison(model):
        newest.setdefault(row["key"]["name"], row["value"])
    return {technique.name: newest[technique.name] for technique in TECHNIQUES if technique.name in newest}


def _ask(model: queries.Info, busy: bool) -> None:
    """What will be measured, and the button."""
    measured = rows(model)
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
                **session.PERSIST,
                help=f"It trains four networks for {STEPS} steps each, which takes long without a GPU. "
                "So few steps tell only roughly what a ticket can do.",
            )
            request = requests.request(
                "impact", data=session.current().data, lottery_steps=STEPS if drawn else 0
            )
            missing = [
                technique
                for technique in TECHNIQUES
                if technique.name not in measured and (drawn or not technique.training)
            ]
            st.button(
                "Measure all"
                if not measured
                else f"Measure {len(missing)} more"
                if missing
                else "All measured",
                type="primary",
                icon=":material/fact_check:",
                disabled=busy or not missing,
                key="impact_start",
                on_click=page_frame.on_click,
                args=(lambda: requests.submit(request),),
            )
            page_frame.command(request)
            if missing:
                page_frame.expected_time(_request_of(request, missing))
            st.caption("Rows appear one by one, and stay. The quick ones come first.", width="content")


def _request_of(request: dict[str, Any], techniques: list[Technique]) -> dict[str, Any]:
    """The same request for these techniques alone."""
    return {**request, "arguments": {**request["arguments"], "only": [row.name for row in techniques]}}


# ---- the rows ---------------------------------------------------------------------------------------


def _families(model: queries.Info, measured: Rows, verdicts: dict[str, Verdict], busy: bool) -> None:
    st.header("Claims and measurements", anchor=False)
    st.caption(
        "Size is that of the written model folder; a compact file leaves zeros out, and is smaller until it "
        "is unpacked. Reading (a prompt) and writing (an answer) are times as fast as the unpruned model, "
        "timed in turns with it. "
        "**Zeros alone stay at 1.0×, since no kernel uses them.** KL is in nats per token."
    )
    for family in impact_words.families():
        pairs = [(technique, measured[technique.name]) for technique in family if technique.name in measured]
        if pairs:
            _family(model, family[0], pairs, verdicts, busy)


def _family(
    model: queries.Info,
    first: Technique,
    pairs: list[tuple[Technique, dict[str, Any]]],
    verdicts: dict[str, Verdict],
    busy: bool,
) -> None:
    with st.container(border=True, key=f"impact_{first.name}"):
        st.subheader(impact_words.heading(first), anchor=False)
        table = impact_words.table(pairs)
        if len(table):
            alt = f"Claimed and measured: {impact_words.heading(first)}"
            st.table(table, border="horizontal", alt=alt)
        with st.container(gap="xsmall"):
            for technique, row in pairs:
                said = verdicts[technique.name]
                marks = impact_words.badges(said)
                st.markdown(f"**{technique.title}** {marks} :small[{said.text}]")
                for note in _notes(technique, row):
                    st.caption(note)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            for technique, row in pairs:
                _action(model, technique, row, busy)
            if first.whole and written.exports(model):
                page_frame.link("export", "Written models")


def _notes(technique: Technique, row: dict[str, Any]) -> list[str]:
    """What has to be known to read a row."""
    if row.get("refused"):
        return []
    notes = [impact_words.note(technique.claim)] if technique.claim and technique.claim.sparse else []
    if "steps" in row:
        notes.append(
            f"Trained for {counted(row['steps'], 'step')} in each of {row['rounds'] + 2} networks, "
            "which is few. "
            f"Perplexity of a random ticket {format.perplexity(row['random_perplexity'])}, of the unpruned "
            f"model trained as long {format.perplexity(row['trained_perplexity'])}."
        )
    if len(row["settings"]) > 1 and row["form"] == "cut":
        notes.append(
            "Layers take turns between more and fewer heads, since heads go evenly from the keys and values "
            "they share."
        )
    return notes


def _action(model: queries.Info, technique: Technique, row: dict[str, Any], busy: bool) -> None:
    """Take the row's plan up on Explore; of whole units, write the model."""
    if row.get("refused") or technique.training:
        return
    if not technique.whole:
        if st.button(
            f"Take up {technique.title}", icon=":material/tune:", key=f"impact_open_{technique.name}"
        ):
            session.change(criterion=row["criterion"])
            session.set_settings(row["settings"])
            page_frame.go("explore")
        return
    st.button(
        f"Write {technique.title}",
        icon=":material/save:",
        key=f"impact_write_{technique.name}",
        disabled=busy,
        help="Writes the pruned model to the workspace and loads it again. It is listed on Export. "
        + ("Full-size, with zeros." if row.get("not_smaller") else "Its tensors are smaller."),
        on_click=page_frame.on_click,
        args=(lambda: requests.submit(_export(model, technique, row)),),
    )


def _export(model: queries.Info, technique: Technique, row: dict[str, Any]) -> dict[str, Any]:
    """The request that writes the row's model under a free name."""
    options, choice = MaskOptions.of(row["options"]), session.current()
    groups: list[Group] = [(layer, options.structure) for layer in range(model.layers)]
    stem = format.file_stem(choice.model)
    stem = f"{stem}-{technique.name.replace('_', '-')}"
    name = written.free_name(stem)
    recipe = Recipe.from_plan(
        parse_settings(row["settings"], groups),
        groups,
        ModelEntry(reference=choice.model, fingerprint=model.fingerprint),
        DataEntry(name=row["data"]),
        row["criterion"],
        options,
    ).with_details(name=name)
    masked = {"masked": True} if row.get("not_smaller") else {}
    return requests.request("export", recipe=recipe.to_dict(), name=name, **masked)


# ---- all of them ------------------------------------------------------------------------------------


def _chart(measured: Rows) -> None:
    shown = [row for row in measured.values() if not row.get("refused")]
    if len(shown) < 2:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.header("What size costs", anchor=False, width="content")
        metric = st.segmented_control(
            "Cost", ["KL", "Perplexity"], default="KL", key="impact_metric", label_visibility="collapsed"
        )
    st.caption(f"{labels.MEASURED} Lower and further to the left is better.")
    st.plotly_chart(
        chart.costs(shown, metric or "KL"),
        key="impact_chart",
        config=charts.BARE,
        alt="Measured size of each technique against what it costs in quality",
    )


def _download(measured: Rows, verdicts: dict[str, Verdict]) -> None:
    st.download_button(
        "Download as CSV",
        lambda: impact_words.csv(list(measured.values()), verdicts),
        file_name="impact.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key="impact_csv",
    )
