"""In which number format a model is written, and what the files take then."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from pruning.errors import PruningError
from pruning.model_files.checkpoint import DTYPE_BYTES
from pruning.planning.cost.gguf_size import gguf_weight_bytes
from pruning.planning.cost.parts import parts_of
from pruning.planning.cost.plan_cost import PlanCost, plan_cost
from pruning.planning.exports.gguf_numbers import number_lights
from pruning.planning.exports.llamacpp import USUAL, installed
from pruning.planning.exports.model_facts import of_inspection
from pruning.planning.exports.targets import CANNOT, Wanted
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries, session
from pruning.ui.shared.exports import nearest, words
from pruning.ui.text import format

AS_IT_IS = ""


@dataclass(frozen=True)
class FileSize:
    """Bytes of a GGUF file; `whole`: with its tokenizer and configuration, not its weights alone."""

    bytes: int
    whole: bool


@dataclass(frozen=True)
class Chosen:
    """A number format of GGUF, whether a file can be written in it here and now, and what it would take: None
    where it cannot, or the model was loaded before its parts were counted."""

    numbers: str
    can: bool
    size: FileSize | None


def of_gguf(model: queries.Info, plan: Plan, masked: bool, forecaster: Forecaster | None) -> Chosen:
    """Choose the number format of a GGUF file."""
    wanted = Wanted(of_inspection(model.facts), plan, masked=masked)
    shown = {light.target: light for light in number_lights(wanted)}
    fitting = [name for name, light in shown.items() if light.state != CANNOT]
    sizes = {name: file_size(model, plan, name, masked) for name in fitting}
    chosen = st.selectbox(
        "Number format",
        list(shown),
        index=list(shown).index(USUAL),
        format_func=lambda name: words.numbers(shown[name], said(sizes.get(name))),
        key="export_numbers",
        help="Fewer bits make a smaller and faster file, and round the weights more. Beside 4 bits, "
        "embedding and head have 8.",
        **session.PERSIST,
    )
    light = shown[chosen]
    if light.state == CANNOT:
        st.markdown(f"{words.sign(light)} {light.reason}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            nearest.button(light, model, plan, forecaster)
    if not installed():
        st.markdown(
            ":material/block: llama.cpp is not installed here, and a file counts only once it has loaded it. "
            "Install it with `pip install 'prunescope[llamacpp]'`."
        )
    return Chosen(chosen, light.state != CANNOT and installed(), sizes.get(chosen))


def of_folder() -> str:
    """Choose the number format of a model folder or a compact file; empty: the checkpoint's own."""
    return st.selectbox(
        "Number format",
        [AS_IT_IS, *DTYPE_BYTES],
        format_func=lambda name: name or "As in the checkpoint",
        key="export_dtype",
        help="Weights that pruning did not change keep the checkpoint's very bits unless another format is "
        "chosen here. What the model is computed in does not matter.",
        **session.PERSIST,
    )


def file_size(model: queries.Info, plan: Plan, numbers: str, masked: bool) -> FileSize | None:
    """What a GGUF file would take, exactly; None where the model was loaded before its parts were counted."""
    beside = (model.facts.get("gguf") or {}).get("beside_bytes")
    try:
        weights = gguf_weight_bytes(parts_of(model.facts), {} if masked else plan, numbers)
    except PruningError:
        return None
    return FileSize(weights + (beside or 0), beside is not None)


def in_dtype(model: queries.Info, plan: Plan, dtype: str) -> PlanCost:
    """What the files take in another format; PruningError where the model's parts were not counted."""
    return plan_cost(replace(parts_of(model.facts), weight_bytes=DTYPE_BYTES[dtype]), plan)


def said(size: FileSize | None) -> str:
    """A size in words; a dash where it is not known."""
    return "–" if size is None else format.size(size.bytes)
