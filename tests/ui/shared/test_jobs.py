"""The line of what is under way: nothing on the page changes places when it comes and goes."""

from typing import Any

from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open


def places(block: Any, path: tuple[int, ...] = ()) -> dict[str, tuple[int, ...]]:
    """Where on the page every button stands, by its label."""
    found = {}
    for index, child in getattr(block, "children", {}).items():
        if child.type == "button":
            found[child.label] = (*path, index)
        found |= places(child, (*path, index))
    return found


def test_nothing_changes_places_when_a_job_begins(open_page: Open, store: Store) -> None:
    synthetic.put_all(store)
    address = {"model": "demo", "plan": "up=0.3"}
    quiet = places(open_page("explore", **address).main)
    request = {"task": "measure", "model": {"reference": "demo", "device": "auto"}, "arguments": {}}
    job = store.add_job(request, "somebody")
    busy = places(open_page("explore", **address).main)
    assert "Measure this plan" in quiet
    assert {label: busy.get(label) for label in quiet} == quiet
    store.update_job(job, state="done")
