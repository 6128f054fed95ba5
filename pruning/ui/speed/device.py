"""Another device: estimates from its maker's figures, apart from everything that was measured."""

from __future__ import annotations

import streamlit as st

from pruning.planning.cost.latency_table import PREFILL_TOKENS
from pruning.planning.cost.parts import Parts, parts_of, without
from pruning.planning.cost.roofline import FORMAT_BYTES, Device, devices, estimate
from pruning.planning.recipe.mix import unit_part
from pruning.planning.recipe.plan import Plan
from pruning.ui.data import queries, session
from pruning.ui.text import labels
from pruning.ui.text import speed as speed_words

OWN = "Your own"
EACH = "each"
EACH_LABEL = "Best of each device"


def section(model: queries.Info, plan: Plan, said: str) -> None:
    """The unpruned model and the plan on listed devices and one typed in; PruningError for old facts."""
    st.header("On another device", anchor=False)
    dense = parts_of(model.facts)
    left = without(dense, plan) if unit_part(plan) else None
    st.markdown(
        f"{labels.ESTIMATE} :small[Nothing here was measured. A roofline (Williams and others, 2009): "
        "the least time that the maker's peak figures allow. Writing a word takes the bytes of all weights "
        f"over the memory's bandwidth; reading {PREFILL_TOKENS} tokens the longer of that and their "
        "arithmetic. Real programs take longer. What attention adds, which grows with the text, is not "
        "counted.]"
    )
    chosen = _number_format(str(model.facts["dtype"]))
    custom = _custom()
    rows = [_row(device, dense, left, chosen) for device in (*devices(), *([custom] if custom else []))]
    st.table(rows, border="horizontal", alt="Estimated times on other devices")
    st.caption(
        f"Pruned: {said}; × is beside unpruned. Set by: what limits reading / writing."
        if left is not None
        else "Zeros among single weights change none of these: dense kernels read and multiply them too."
    )
    with st.expander("Where these figures come from", icon=":material/info:"):
        for device in devices():
            st.markdown(f"**{device.name}** · {_peaks(device)}  \n:small[{device.source}]")


def _number_format(loaded: str) -> str:
    """The number format that estimates are for, or `EACH`: bfloat16 on devices that have it."""
    names = {EACH: EACH_LABEL, **{name: name for name in FORMAT_BYTES}}
    chosen = st.segmented_control(
        "Number format of the weights",
        list(names),
        default=EACH,
        required=True,
        format_func=names.__getitem__,
        key="speed_format",
        help="Best of each device: bfloat16 where it has units for it, otherwise float16 or float32. Half as "
        "many bytes a weight are read in half the time. Where a device has no units for a format, it stores "
        f"the weights in it and computes in float32. Here the model is loaded in {loaded}.",
        **session.PERSIST,
    )
    return str(chosen)


def _custom() -> Device | None:
    """The device whose figures were typed in, once both are there."""
    with st.expander("A device of your own", icon=":material/add:", key="speed_own"):
        left, right = st.columns(2)
        bandwidth = left.number_input(
            "Memory bandwidth (GB/s)",
            0.1,
            None,
            None,
            key="speed_bandwidth",
            placeholder="such as 60",
            **session.PERSIST,
        )
        peak = right.number_input(
            "Peak arithmetic (GFLOPS)",
            0.1,
            None,
            None,
            key="speed_peak",
            placeholder="such as 500",
            help="Thousand millions of operations a second, in the number format chosen.",
            **session.PERSIST,
        )
    if bandwidth is None or peak is None:
        return None
    return Device(OWN, 1e9 * bandwidth, dict.fromkeys(FORMAT_BYTES, 1e9 * peak))


def _row(device: Device, dense: Parts, left: Parts | None, chosen: str) -> dict[str, str]:
    dtype = device.best_format if chosen == EACH else chosen
    fits = device.memory is None or FORMAT_BYTES[dtype] * dense.parameters < device.memory
    small = estimate(device, left, dtype, PREFILL_TOKENS) if left is not None else None
    whole = estimate(device, dense, dtype, PREFILL_TOKENS)
    return {
        "Device": device.name,
        "Format": speed_words.number_format(dtype, device.computed_in(dtype)),
        **speed_words.device_times(whole, small, fits),
    }


def _peaks(device: Device) -> str:
    peaks = ", ".join(f"{value / 1e12:.3g} TFLOPS {dtype}" for dtype, value in device.arithmetic.items())
    return f"{device.bandwidth / 1e9:,.0f} GB/s · {peaks}"
