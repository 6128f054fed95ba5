"""The Impact page: claims beside measurements, row by row; rows to take up and to write."""

import csv
import io
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pruning.planning.recipe.guide_claims import TECHNIQUES, verdict
from pruning.planning.recipe.recipe import Recipe
from pruning.ui.data import session
from pruning.ui.impact import chart
from pruning.ui.text import impact as impact_words
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.support.impact_rows import put_impact, put_refused
from tests.ui.conftest import Open, text_of


@pytest.fixture
def filled(store: Store) -> Store:
    synthetic.put_model(store)
    put_impact(store)
    return store


def opened(open_page: Open) -> AppTest:
    return open_page("impact", model="demo")


def test_without_a_model_it_says_what_to_do(open_page: Open) -> None:
    assert "Load a model first" in text_of(open_page("impact"))


def test_everything_is_asked_for_in_one_press(store: Store, asked: list[dict], open_page: Open) -> None:
    synthetic.put_model(store)
    app = opened(open_page)
    assert "prunescope impact demo" in app.code[0].value
    app.button(key="impact_start").click().run()
    assert [one["task"] for one in asked] == ["impact"]
    assert asked[0]["arguments"] == {"data": "demo", "lottery_steps": 0}
    assert app.button(key="impact_start").disabled


def test_the_lottery_is_asked_for_with_a_tick(filled: Store, asked: list[dict], open_page: Open) -> None:
    app = opened(open_page)
    assert app.button(key="impact_start").disabled
    assert app.button(key="impact_start").label == "All measured"
    app.checkbox(key="impact_lottery").check().run()
    assert app.button(key="impact_start").label == "Measure 1 more"
    assert "--lottery" in app.code[0].value
    app.button(key="impact_start").click().run()
    assert asked[0]["arguments"]["lottery_steps"] > 0


def test_rows_appear_one_by_one(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    put_impact(store, ["magnitude_50"])
    app = opened(open_page)
    assert len(app.table) == 1
    names = [name.partition(" ")[0] for name in app.table[0].value.index]
    assert names == ["Magnitude", "**Magnitude**", "Unpruned"]
    put_impact(store, ["wanda_50", "channels_25"])
    app.run()
    assert [len(table.value) for table in app.table] == [4, 3]


def test_claims_stand_beside_measurements_with_a_verdict(filled: Store, open_page: Open) -> None:
    app = opened(open_page)
    text = text_of(app)
    assert "needs support for sparse tensors" in text
    assert "Quality: does not hold" in text
    assert "here perplexity rises" in text
    assert "less KL than the guide's way" in text
    claim, *measured = app.table[0].value.to_dict("records")
    assert (claim["Size"], claim["Reading"], claim["Perplexity"]) == (
        "1.2× smaller",
        "1.1×",
        "“minimal” loss",
    )
    assert measured[-1]["Perplexity"] == "33.8"
    assert measured[0]["Size"] == "538 MB · :small[compact file 350 MB, 1.5× smaller]"
    assert "Smaller: does not hold" in text
    # Zeros, whatever the clock said.
    assert {line["Reading"] for line in measured[:-1]} == {"1.0×"}


def test_a_row_that_cannot_be_says_why(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    put_impact(store, ["magnitude_50"])
    put_refused(store, "heads_50", "The heads do not come apart.")
    app = opened(open_page)
    assert "It cannot be done with this model. The heads do not come apart." in text_of(app)
    assert "impact_write_heads_50" not in {button.key for button in app.button}
    assert len(app.table) == 1


def test_a_row_is_taken_up_on_explore(filled: Store, open_page: Open) -> None:
    synthetic.put_map(filled, criterion="wanda")
    app = opened(open_page)
    app.button(key="impact_open_wanda_50").click().run()
    assert not app.exception
    choice = app.session_state[session.KEY]
    assert (choice.criterion, choice.settings) == ("wanda", ("all=0.5",))
    assert app.query_params["tab"] == "explore"


def test_a_smaller_model_is_written(filled: Store, asked: list[dict], open_page: Open) -> None:
    app = opened(open_page)
    app.button(key="impact_write_channels_25").click().run()
    [request] = asked
    recipe = Recipe.from_dict(request["arguments"]["recipe"])
    assert request["task"] == "export"
    assert recipe.settings() == ["neurons=0.25"]
    assert (recipe.criterion, recipe.options().compensate) == ("l2", False)
    assert "masked" not in request["arguments"]
    assert request["arguments"]["name"] == "demo-channels-25"


def test_what_was_written_is_a_link_away(filled: Store, open_page: Open, tmp_path: Path) -> None:
    assert "Written models" not in {link.label for link in opened(open_page).page_link}
    synthetic.put_export(filled, synthetic.put_map(filled), ["down=0.3"], tmp_path / "light")
    assert "Written models" in {link.label for link in opened(open_page).page_link}


def test_where_no_smaller_folder_can_be_it_is_full_size(
    store: Store, asked: list[dict], open_page: Open
) -> None:
    synthetic.put_model(store)
    put_impact(store, ["heads_50"], not_smaller="The layers would keep different numbers of heads.")
    app = opened(open_page)
    app.button(key="impact_write_heads_50").click().run()
    assert asked[0]["arguments"]["masked"] is True


def test_the_file_has_every_row_with_its_claim(filled: Store) -> None:
    rows = put_impact(filled)
    verdicts = {name: verdict(row, list(rows.values())) for name, row in rows.items()}
    lines = list(csv.DictReader(io.StringIO(impact_words.csv(list(rows.values()), verdicts))))
    assert [line["row"] for line in lines] == [
        technique.name for technique in TECHNIQUES if not technique.training
    ]
    assert (lines[0]["claimed_times_smaller"], lines[0]["claimed_loss"]) == ("1.2", "minimal")
    assert float(lines[0]["perplexity"]) == pytest.approx(rows["magnitude_50"]["perplexity"], rel=1e-5)
    assert lines[1]["claimed_times_smaller"] == ""
    assert (lines[0]["file_bytes"], lines[0]["times_smaller"]) == ("538060032", "1")
    assert float(lines[0]["compact_times_smaller"]) == pytest.approx(1 / 0.65, rel=1e-5)


def test_the_chart_tells_the_guides_from_ours(filled: Store) -> None:
    figure = chart.costs(list(put_impact(filled).values()), "Perplexity")
    theirs, ours, dense = figure.data
    assert "Magnitude 50 %" in theirs.text
    assert "Wanda 50 %" in ours.text
    assert list(dense.y) == [33.8]
    assert figure.layout.yaxis.type == "log"


def test_the_chart_bears_nothing_lost_and_everything() -> None:
    values = {"bytes": 5e8, "dense_bytes": 538e6, "dense_perplexity": 33.8, "title": "Some", "share": 0.5}
    rows = [
        {**values, "name": "none", "beside": None, "kl": 0.0, "perplexity": 33.8},
        {**values, "name": "all", "beside": "none", "kl": 600.0, "perplexity": 1e304},
    ]
    assert chart.costs(rows, "KL").layout.yaxis.tickvals == (100.0, 300.0, 1000.0, 3000.0)
    assert len(chart.costs(rows, "Perplexity").layout.yaxis.tickvals) < 12
