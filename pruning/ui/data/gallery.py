"""The gallery for pages: results of the demo model, measured elsewhere, in the forms of a user's own.

What is here goes into the same drawing functions as what is in the workspace, and is never mixed with it: no
function of another module returns any of it, and `where` says in one sentence whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.recipe.guide_claims import TECHNIQUES
from pruning.planning.recipe.mask_options import MaskOptions, names
from pruning.planning.recipe.training import Training
from pruning.ui.data.recoveries import Recovered
from pruning.ui.data.results import Result
from pruning.ui.text import methods as method_words
from pruning.ui.text import recovery as recover_words
from pruning.workspace import gallery
from pruning.workspace.result_types.gallery import Gallery, GalleryMade, GalleryPlan

# Ids of rows of the gallery begin so; those of the workspace are hex digits.
ID = "gallery"


@dataclass(frozen=True)
class Answers:
    """What plans answered: `titles` names them; `asked` has by prompt, for each of them, its rows of the task
    `generate`, as `pruning.ui.data.queries.answers` has a user's own."""

    titles: tuple[str, ...]
    asked: dict[str, list[list[dict[str, Any]]]]


@dataclass(frozen=True)
class Timings:
    """Times of the demo model on the machine of `where`, in the form in which a user's own are drawn.

    `table`: milliseconds dense, and what a layer saves without some of its units; `sparse`: rows of torch's
    sparse formats beside dense; `busy`: the share of the processors' time, 0..1, that other programs took
    meanwhile, which makes milliseconds too long and leaves ratios as they are.
    """

    table: LatencyTable
    sparse: list[dict[str, Any]]
    busy: float


@st.cache_data(show_spinner=False)
def _gallery() -> Gallery:
    return gallery.read()


def where() -> str:
    """When, by which version and where it was measured: "2026-11-30, commit 1a2b3c4, AMD EPYC, 2 cores".

    Raises PruningError, as every function here, where the file is missing or damaged.
    """
    made = _gallery()["made"]
    return f"{made['day']}, {_version(made)}, {made['machine']}"


def _version(made: GalleryMade) -> str:
    return made["commit"] if made["commit"].startswith("version") else f"commit {made['commit']}"


def impact() -> dict[str, dict[str, Any]]:
    """The guide's claims beside what was measured: rows of the task `impact` by the name of the technique, in
    the order in which they are shown."""
    rows = {row["name"]: dict(row) for row in _gallery()["impact"]}
    return {technique.name: rows[technique.name] for technique in TECHNIQUES if technique.name in rows}


def plans() -> list[Result]:
    """The measured plans, as Methods has a user's own; their names are those of the gallery."""
    made = _made()
    return [_result(plan, made) for plan in _gallery()["plans"]]


def _result(plan: GalleryPlan, made: float) -> Result:
    figures = dict(plan["figures"])
    return Result(
        id=f"{ID}-{plan['name']}",
        name=plan["title"],
        criterion=plan["figures"]["criterion"],
        settings=tuple(plan["figures"]["settings"]),
        options=_options(figures).changed(),
        recovery=None,
        best=plan["best"],
        figures=figures,
        made=made,
    )


def recovery() -> Recovered:
    """The recovery with its curve, as Recover has a user's own; its trained weights are not here."""
    value: dict[str, Any] = {**_gallery()["recovery"]}
    model = _gallery()["model"]
    method = method_words.method(value["criterion"], value["settings"], _options(value).changed())
    return Recovered(
        id=f"{ID}-recovery",
        name=f"{method}; {recover_words.how(Training.of(value['recovery']))}",
        key={"data": model["data"], "data_fingerprint": model["data_fingerprint"]},
        value=value,
        made=_made(),
    )


def answers() -> Answers:
    """What the dense model and the plans answered to a few prompts."""
    plans = _gallery()["plans"]
    asked: dict[str, list[list[dict[str, Any]]]] = {}
    for number, plan in enumerate(plans):
        for row in plan["answers"]:
            asked.setdefault(row["prompt"], [[] for _ in plans])[number].append(dict(row))
    return Answers(tuple(plan["title"] for plan in plans), asked)


def timings() -> Timings:
    """What was timed: the unpruned model, and really narrower ones."""
    times = _gallery()["times"]
    table = LatencyTable.from_dict(times["latency"])
    return Timings(table, [dict(row) for row in times["latency"]["sparse"]], times["busy"])


def _options(value: dict[str, Any]) -> MaskOptions:
    return MaskOptions.of({name: value[name] for name in names() if name in value})


def _made() -> float:
    """The day of the gallery in seconds since the epoch."""
    day = datetime.fromisoformat(_gallery()["made"]["day"])
    return day.replace(tzinfo=UTC).timestamp()
