"""A recipe that is dropped on the desk, ours or another tool's: on the sliders, or measured as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pruning.errors import PruningError
from pruning.files import parse_yaml
from pruning.planning.imports.read import is_recipe
from pruning.planning.recipe.plan import format_settings
from pruning.planning.recipe.recipe import Recipe
from pruning.ui.data import queries, received, requests, session
from pruning.ui.shared import page as page_frame
from pruning.ui.text import format, labels
from pruning.ui.text import methods as method_words
from pruning.workspace import results

FILE, NEWEST, TAKEN, ASKED = "recipe_file", "recipe_newest", "recipe_import_taken", "recipe_asked"
TASK = "import"


@dataclass(frozen=True)
class Found:
    """What a file says: its name, the recipe in it, which tool it is of, and what is not the same here."""

    name: str
    recipe: Recipe
    form: str
    notes: tuple[str, ...] = ()


def chooser() -> None:
    """Where a file is dropped. Folded and not in a popover, which forgets a file if it is closed too soon."""
    with st.expander("Open a recipe", icon=":material/upload_file:", key="recipe_open"):
        st.markdown(
            "A recipe of Prunescope or of llm-compressor, a passthrough file of mergekit, or a text with the "
            "numbers of the layers that go."
        )
        st.file_uploader(
            "Recipe file",
            [".yaml", ".yml", ".json", ".txt"],
            key=FILE,
            on_change=_take_file,
            label_visibility="collapsed",
        )
    # The whole page follows the job from here on, however soon it ends.
    if st.session_state.pop(ASKED, False):
        st.rerun()


def _take_file() -> None:
    file = st.session_state[FILE]
    if file is not None:
        page_frame.on_click(lambda: _read(file.name, file.getvalue()))


def _read(name: str, content: bytes) -> None:
    """Take a recipe of ours at once; another tool's file is read by the engine, which knows the modules."""
    try:
        text = content.decode()
        value, _ = parse_yaml(text)
    except UnicodeDecodeError:
        raise PruningError(f"{name} is not a text file. A recipe is a YAML file.") from None
    except ValueError as error:
        raise PruningError(f"{name} is not readable YAML: {error}.") from None
    if is_recipe(value):
        _open(Found(name, Recipe.loads(text, where=name), "a recipe of Prunescope"))
    else:
        requests.submit(requests.request(TASK, source=str(received.keep(name, content))))
        st.session_state[ASKED] = True


def take_imported() -> None:
    """Open what the session's last import found, once."""
    job = requests.latest_job(TASK) if f"job_{TASK}" in st.session_state else None
    if job is None or job.state != "done" or job.result is None or st.session_state.get(TAKEN) == job.id:
        return
    st.session_state[TAKEN] = job.id
    name = job.request["arguments"]["source"].replace("\\", "/").rpartition("/")[2]
    recipe = Recipe.from_dict(job.result["recipe"])
    _open(Found(name, recipe, job.result["form"], tuple(job.result["notes"])))


def _open(found: Found) -> None:
    """Remember what was found, and put its plan on the sliders where they can hold all of it."""
    model = queries.info()
    if model is None:
        raise PruningError("Load a model first: a recipe is read for the layers that it has.")
    found.recipe.to_plan(model.groups)  # says what this model has not
    if not _beyond(found.recipe):
        session.change(criterion=found.recipe.criterion)
        session.set_settings(found.recipe.settings())
    st.session_state[NEWEST] = found


def _beyond(recipe: Recipe) -> dict[str, Any]:
    """What sliders cannot hold of it: options, and a criterion that no map is drawn of."""
    known = recipe.criterion in labels.CRITERION
    return recipe.options().written() | ({} if known else {"criterion": recipe.criterion})


def section(model: queries.Info, busy: bool) -> None:
    """What the file that was opened last says, and where its plan is now."""
    found: Found | None = st.session_state.get(NEWEST)
    if found is None:
        return
    recipe, options = found.recipe, found.recipe.options()
    beyond = _beyond(recipe)
    with st.container(border=True, key="recipe_opened", gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{format.plain(found.name)}** :gray-badge[{found.form}]", width="content")
            st.button(
                "Close",
                icon=":material/close:",
                type="tertiary",
                key="recipe_close",
                on_click=lambda: st.session_state.pop(NEWEST, None),
            )
        settings = format_settings(recipe.to_plan(model.groups), model.groups)
        st.markdown(method_words.method(recipe.criterion, settings, options.changed()))
        for note in found.notes:
            st.caption(f":material/info: {format.plain(note)}")
        for remark in _remarks(model, recipe):
            st.markdown(f":orange[:material/warning:] {format.plain(remark)}")
        if beyond:
            st.markdown(
                "Sliders cannot show this recipe, and stay as they are. It is measured just as the file says."
            )
            page_frame.submit_button(
                "Measure this recipe",
                requests.request(
                    "measure",
                    settings=recipe.settings(),
                    criterion=recipe.criterion,
                    data=session.current().data,
                    **options.written(),
                ),
                icon=":material/straighten:",
                key="recipe_measure",
                disabled=busy,
            )
            page_frame.link("methods", "Its results, and how to write it to disk")
        else:
            st.caption("Its plan is on the sliders. Undo takes it back.")


def _remarks(model: queries.Info, recipe: Recipe) -> list[str]:
    """Where it was made for something else than the session has."""
    remarks, data = [], session.current().data
    try:
        recipe.check_model(model.fingerprint, results.computed(model.facts))
    except PruningError:
        remarks.append(f"It was made for {recipe.model.reference}, with other weights than this model's.")
    if recipe.data.name != data:
        remarks.append(f"It was made with the text {format.short(recipe.data.name)}; here it is with yours.")
    if recipe.recovery:
        remarks.append("It was trained after pruning. That is not part of it here: Fine-tune trains it.")
    return remarks
