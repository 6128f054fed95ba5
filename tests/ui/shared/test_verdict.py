"""The verdict on pages: forecast until measured, by answers where they were asked for."""

import pytest

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.verdict import Verdict
from pruning.planning.recipe.plan import parse_settings
from pruning.ui.explore.mixer.payload import Marks, table_data
from pruning.ui.shared.verdict import badge
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of

PLAN = ["all=0.05"]
PAGES = ("export",)


@pytest.mark.parametrize("page", PAGES)
def test_a_verdict_is_forecast_until_it_is_measured(open_page: Open, store: Store, page: str) -> None:
    table = synthetic.put_all(store)
    app = open_page(page, model="demo", plan=PLAN[0])
    assert "] :blue-badge[forecast] KL is forecast between" in text_of(app)
    synthetic.put_measure(store, table, PLAN, answers=synthetic.behaviour())
    app.run()
    assert not app.exception
    said = text_of(app)
    assert ":orange-badge[:material/error: noticeable] :green-badge[measured] 2 of 14 answers" in said
    assert "6 of 160 questions lost" in said
    assert "KL is forecast between" not in said


@pytest.mark.parametrize("page", PAGES)
def test_a_plan_that_repeats_itself_is_broken_at_a_low_kl(open_page: Open, store: Store, page: str) -> None:
    table = synthetic.put_all(store)
    synthetic.put_measure(store, table, PLAN, answers=synthetic.behaviour(repeating=6))
    app = open_page(page, model="demo", plan=PLAN[0])
    assert ":red-badge[:material/dangerous: broken] :green-badge[measured] 6 of 14" in text_of(app)


@pytest.mark.parametrize("page", PAGES)
def test_an_older_measurement_says_that_it_has_kl_alone(open_page: Open, store: Store, page: str) -> None:
    table = synthetic.put_all(store)
    synthetic.put_measure(store, table, PLAN)
    said = text_of(open_page(page, model="demo", plan=PLAN[0]))
    assert ":gray-badge[measured KL only] KL " in said
    assert "measure it again" in said


def test_the_desk_has_the_verdict_of_each_measured_plan() -> None:
    smap = synthetic.sensitivity_map()
    plan = parse_settings(PLAN, smap.groups)
    figures = {"kl": 0.05, "perplexity": 35.0, "agreement": 0.9, "accuracy": 0.3, "bytes": 5e8}
    figures["behaviour"] = synthetic.behaviour(repeating=6)
    [row] = table_data(Forecaster.prior(smap), Marks(measured=[(plan, figures)]))["measured"]
    assert (row["verdict"]["level"], row["verdict"]["source"]) == ("broken", "measured")
    assert "6 of 14" in row["verdict"]["sentence"]


def test_a_verdict_over_two_levels_looks_like_its_worse_end() -> None:
    verdict = Verdict("noticeable", "broken", "forecast", ("why",))
    assert badge(verdict) == ":red-badge[:material/dangerous: noticeable to broken] :blue-badge[forecast]"
