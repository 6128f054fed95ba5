"""Another model beside this one, on the Model page."""

from typing import Any

from pruning.ui.model import difference
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, metric, text_of


def group(layer: int, other: int, kind: str, **changed: Any) -> dict[str, Any]:
    usual = {"shape": [8, 4], "other_shape": [8, 4], "zeros": 0.0, "other_zeros": 0.5, "change": 0.125}
    return {"layer": layer, "other": other, "kind": kind, **usual, **changed}


FOUND = {
    "model": "demo",
    "other": "/there/pruned_one",
    "dropped": [1],
    "origin": [0, 2],
    "groups": [group(0, 0, "up"), group(2, 1, "up", other_shape=[6, 4], change=None, other_zeros=0.0)],
    "drift": [{"relative": 0.1, "cosine": 0.99}, {"relative": 0.3, "cosine": 0.95}],
    "kl": 0.25,
    "perplexity": 60.0,
    "dense_perplexity": 45.4,
    "agreement": 0.75,
    "findings": ["Layer 1 is gone."],
    "data_fingerprint": "d",
}


def test_it_asks_for_a_comparison_and_shows_what_it_found(
    store: Store, asked: list[dict], open_page: Open
) -> None:
    synthetic.put_model(store)
    app = open_page("model", model="demo")
    assert app.button(key="diff_start").disabled
    app.text_input(key=difference.OTHER).set_value(" /there/pruned_one ").run()
    app.button(key="diff_start").click().run()
    request = asked[-1]
    assert (request["task"], request["arguments"]) == ("diff", {"other": "/there/pruned_one", "data": "demo"})
    job = next(job for job in store.jobs() if job.request["task"] == "diff")
    store.update_job(job.id, state="done", result=FOUND)
    app.run()
    assert not app.exception
    assert metric(app, "KL") == "0.25 nats"
    said = text_of(app).replace("\\", "")
    assert "pruned_one" in said
    assert "- Layer 1 is gone." in said


def test_charts_show_what_went() -> None:
    bars = difference.drift(FOUND).data[0]
    assert (list(bars.x), list(bars.y)) == ([0, 2], [0.1, 0.3])
    heat, narrower = difference.cells(FOUND).data
    assert (list(heat.x), list(heat.z[0])) == ([0, 1, 2], [50.0, None, 0.0])
    said = list(heat.customdata[0])
    assert said[0] == "8 × 4<br>zeros 0 % → 50 %<br>the others changed by 12.5 %"
    assert said[1] == "gone"
    assert said[2].startswith("8 × 4 → 6 × 4")
    assert list(narrower.x) == [2]
