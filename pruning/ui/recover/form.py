"""The Recover page's form: what to train, how, when weights are pruned, how long it takes, and the button."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.planning.recipe.mask_options import MaskOptions
from pruning.planning.recipe.plan import Plan, format_settings, parse_settings
from pruning.planning.recipe.schedules import ONE_SHOT, SCHEDULES
from pruning.planning.recipe.training import LOSSES, Training
from pruning.ui.data import queries, recoveries, requests, session
from pruning.ui.data import results as method_results
from pruning.ui.recover import charts as recover_charts
from pruning.ui.recover import training_options
from pruning.ui.shared import charts
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import methods as method_words
from pruning.ui.text import recovery as recover_words

EXPLORE = "explore"
MOVEMENT = "movement"


def form(model: queries.Info, busy: bool) -> None:
    """The controls on the left; on the right what they mean, and the button."""
    sources = _sources(model)
    if not sources:
        page_frame.empty(
            "Nothing is pruned yet",
            "Set a plan by hand, or measure a method. Then it can be trained here.",
            "explore",
            "Go to Prune",
        )
        return
    with st.container(border=True, key="recover_form"):
        left, right = st.columns([3, 2], gap="large")
        request: dict[str, Any] | None = None
        with left, page_frame.user_errors():
            source = _source(sources)
            request = _request(source)
        with right:
            if request is not None:
                _preview(model, request, source)
            _button(model, request, busy)


# ---- what -------------------------------------------------------------------------------------------


def _sources(model: queries.Info) -> dict[str, tuple[str, dict[str, Any], float]]:
    """What can be trained, by id: its title, the arguments that prune it, and its sparsity."""
    sources: dict[str, tuple[str, dict[str, Any], float]] = {}
    choice, plan = session.current(), _explored(model)
    if plan:
        settings = format_settings(plan, model.groups)
        said = method_words.method(choice.criterion, settings, {})
        arguments = {"settings": settings, "criterion": choice.criterion}
        sources[EXPLORE] = f"Your plan: {said}", arguments, model.sparsity(plan)
    for result in method_results.results(model):
        if result.recovery is None:
            title = f"{result.name} · KL {format.kl(result.figures['kl'])}"
            sources[result.id] = title, result.arguments(), result.figures["sparsity"]
    return sources


def _explored(model: queries.Info) -> Plan:
    with page_frame.user_errors():
        return session.plan(model.groups)
    return {}


def _source(sources: dict[str, tuple[str, dict[str, Any], float]]) -> tuple[dict[str, Any], float]:
    chosen = st.selectbox(
        "What to train",
        list(sources),
        format_func=lambda key: sources[key][0],
        key="recover_source",
        help="Your plan, or anything that was measured of this model.",
        **session.PERSIST,
    )
    return sources[chosen][1], sources[chosen][2]


# ---- how --------------------------------------------------------------------------------------------


def _request(source: tuple[dict[str, Any], float]) -> dict[str, Any]:
    """The request that the controls make. Raises PruningError for what cannot be; the controls stay."""
    pruned = dict(source[0])
    options = MaskOptions.of({k: v for k, v in pruned.items() if k not in ("settings", "criterion")})
    loss, steps = _loss_and_steps()
    written = _written(loss)
    schedule, more = _schedule(pruned["criterion"], options, steps)
    choosing, fitting = st.container(), st.container()
    with st.expander("More settings", icon=":material/tune:", key="recover_more"):
        more |= training_options.details(steps)
    if schedule != ONE_SHOT and options.structure == "unstructured" and not more["lora"]:
        with choosing:
            pruned["criterion"] = _chosen_by(pruned["criterion"])
    with fitting:
        refit = schedule != ONE_SHOT or _refit()
    asked = {"loss": loss, "steps": steps, "schedule": schedule, "written": written, "refit": refit}
    training = Training.of({**asked, **more})
    recover_words.check_lora(training.lora, find_spec("peft") is not None)
    return requests.request("recover", **pruned, data=session.current().data, recovery=training.changed())


def _loss_and_steps() -> tuple[str, int]:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        loss = st.segmented_control(
            "Learn from",
            LOSSES,
            default="distill",
            required=True,
            format_func=recover_words.LOSS.__getitem__,
            key="recover_loss",
            **session.PERSIST,
        )
        steps = st.number_input(
            "Steps",
            1,
            100_000,
            200,
            10,
            key="recover_steps",
            width=180,
            help="Each learns from one batch of text.",
            **session.PERSIST,
        )
    st.caption(recover_words.LOSS_HELP[loss])
    return loss, steps


def _written(loss: str) -> int | None:
    """Whether the unpruned model may write text to learn from; None: as much as is lacking."""
    if loss != "distill":
        return None
    allowed = st.toggle(
        "Let the unpruned model write more text where yours is short",
        True,
        key="recover_written",
        help="A model that is trained on a little text again and again learns that text by heart, and gets "
        "no better at other text. So the unpruned model first writes more: it begins with words of yours and "
        "goes on by itself. That can take minutes before the first step. What was written is kept.",
        **session.PERSIST,
    )
    return None if allowed else 0


def _refit() -> bool:
    """Whether training begins with a least-squares fit of the kept weights."""
    return st.toggle(
        "First fit the weights that stay",
        True,
        key="recover_refit",
        help="Pruning leaves each layer with less to compute from. Before training starts the weights that "
        "stay are moved, layer by layer, so that each layer comes as near as it can to what it computed "
        "before. On the demo model that wins back more than the training after it, in a third of the time. "
        "Where it does not help, on text that is kept back for that, it is undone.",
        **session.PERSIST,
    )


def _schedule(criterion: str, options: MaskOptions, steps: int) -> tuple[str, dict[str, Any]]:
    """When weights are pruned, and until which step."""
    refused = recover_words.why_at_once(criterion, options)
    if refused is None and steps < 2:
        refused = "One step is too few to take weights away little by little."
    schedule = st.segmented_control(
        "Weights go",
        SCHEDULES,
        default=ONE_SHOT,
        required=True,
        disabled=refused is not None,
        format_func=recover_words.SCHEDULE.__getitem__,
        key="recover_schedule",
        **session.PERSIST,
    )
    if refused is not None:
        st.caption(f":material/info: {refused}")
        return ONE_SHOT, {}
    st.caption(SCHEDULES[schedule])
    if schedule == ONE_SHOT:
        return schedule, {}
    left, right = st.columns(2)
    last = left.number_input(
        "All gone by step", 1, steps - 1, max(1, steps // 2), key=f"recover_by_{steps}", **session.PERSIST
    )
    every = right.number_input(
        "Steps between prunings",
        1,
        steps,
        max(1, min(10, steps // 10)),
        key=f"recover_each_{steps}",
        **session.PERSIST,
    )
    return schedule, {"prune_steps": None if last == max(1, steps // 2) else last, "prune_every": every}


def _chosen_by(criterion: str) -> str:
    """The criterion, or for gradual pruning how training moves the weights."""
    names = {criterion: labels.CRITERION.get(criterion, criterion)}
    names[MOVEMENT] = "Movement: how training moves a weight towards zero"
    return st.selectbox(
        "Criterion while training",
        list(names),
        format_func=names.__getitem__,
        key=f"recover_criterion_{criterion}",
        help="Movement can only choose while training goes on, so it needs a schedule.",
        **session.PERSIST,
    )


# ---- what it means ----------------------------------------------------------------------------------


def _preview(model: queries.Info, request: dict[str, Any], source: tuple[dict[str, Any], float]) -> None:
    """A picture of how much is pruned at which step."""
    arguments = request["arguments"]
    training = Training.of(arguments["recovery"])
    shares = [source[1]] * (training.steps + 1)
    if training.schedule != ONE_SHOT:
        plan = parse_settings(arguments["settings"], model.groups)
        shares = recover_charts.pruned_by_step(training, plan, model.every_parameters)
    st.markdown(":small[**How much is gone at which step**]")
    st.plotly_chart(
        recover_charts.schedule(shares),
        key="recover_picture",
        config=charts.BARE,
        alt="Share of weights that is gone at each training step",
    )


def _button(model: queries.Info, request: dict[str, Any] | None, busy: bool) -> None:
    label, done = "Train it", False
    if request is not None:
        recovered = recoveries.recoveries(model)
        recovery = recoveries.same_as(request["arguments"], recovered)
        training = Training.of(request["arguments"]["recovery"])
        left = training.steps
        if recovery is not None and recovery.finished:
            label, done = "Trained already, see below", True
        elif recovery is not None and recovery.goes_on_from:
            label, left = f"Go on from step {recovery.goes_on_from}", training.steps - recovery.goes_on_from
        if not done:
            before = recoveries.seconds_before(recovered, training) if left == training.steps else None
            pace = recoveries.seconds_a_step(recovered, training)
            if pace is not None or not page_frame.expected_time(request):
                st.markdown(f":small[{recover_words.estimate(left, pace, before)}]")
    with page_frame.action_row():
        st.button(
            label,
            type="primary",
            icon=":material/healing:",
            key="recover_start",
            disabled=busy or done or request is None,
            width="stretch",
            on_click=page_frame.on_click,
            args=(lambda: requests.submit(request or {}),),
        )
        if request is not None:
            page_frame.command(request)


def plan_of_explore(model: queries.Info) -> list[str]:
    """The session's plan as settings; raises PruningError where there is none."""
    settings = format_settings(session.plan(model.groups), model.groups)
    if not settings:
        raise PruningError("Your plan is empty yet: set one under Prune.")
    return settings
