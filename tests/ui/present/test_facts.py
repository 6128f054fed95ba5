"""What the presentation says: measured or forecast, sums that add up, a file safe to send."""

import base64
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest

from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.recipe.plan import Plan, parse_settings
from pruning.planning.report import presentation as present_page
from pruning.planning.report import words
from pruning.planning.report.shell import POLICY
from pruning.planning.report.sums import Assumptions
from pruning.planning.report.words import Speed
from pruning.ui.present import facts as present_facts
from pruning.ui.text import format
from tests.support import synthetic


def said(html: str) -> str:
    """What a reader sees of some HTML."""
    without = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", without))


def made(truth: dict | None = None, supposed: Assumptions | None = None, **more) -> present_page.Facts:
    table = synthetic.sensitivity_map()
    plan: Plan = parse_settings(["gate=0.4", "up=0.5"], table.groups)
    model, supposed = more.pop("model", "demo"), supposed or Assumptions()
    forecast = Forecaster.prior(table).forecast(plan)
    known = present_facts.known_of(model, table, plan, forecast, measured=truth, **more)
    title = supposed.title or present_facts.default_title(model)
    return present_facts.facts(title, table, known, supposed)


TRUTH = {
    "kl": 0.02,
    "bytes": 376_663_285,
    "file_bytes": 538_090_408,
    "agreement": 0.934,
    "perplexity": 35.2,
    "sparsity": 0.15,
    "tokens": 4096,
}
# As if whole neurons had been cut out.
CUT = {**TRUTH, "structure": "neurons", "not_smaller": None}
ANSWER = {
    "prompt": "Why?",
    "dense": "Air scatters blue light.",
    "pruned": "Air scatters bluish light",
    "dense_tokens": ["Air", " scatters", " blue", " light", "."],
    "pruned_tokens": ["Air", " scatters", " blu", "ish", " light"],
    "dense_ended": True,
    "pruned_ended": False,
    "first_difference": 2,
}


# ---- facts ------------------------------------------------------------------------------------------


def test_measured_figures_win_and_are_told_as_such() -> None:
    screen = made(TRUTH).screen
    (size, speed, _), (_, same, _) = screen.saves, screen.costs
    assert (size.value, size.source) == ("No smaller", "measured")
    assert size.says == "538 MB for the model folder, as before; 377 MB as a compact file, 30 % less"
    assert (same.value, same.source) == ("93 in 100", "measured")
    assert "4,096 places" in same.basis
    assert speed.value == "No faster"


def test_forecast_figures_carry_the_forecasts_range() -> None:
    table = synthetic.sensitivity_map()
    seen = Forecaster.prior(table).forecast(parse_settings(["gate=0.4", "up=0.5"], table.groups))
    screen = made().screen
    size, same = screen.saves[0], screen.costs[1]
    assert size.says.startswith(format.size(table.dense["bytes"]))
    assert f"{format.percent(1 - seen.bytes / table.dense['bytes'])} less" in size.says
    assert same.value == f"{round(100 * seen.agreement)} in 100"
    for bound in (seen.agreement_low, seen.agreement_high):
        assert f"{round(100 * bound)} in 100" in same.basis
    assert (size.source, same.source) == ("exact", "forecast")


def test_answers_are_judged_in_a_sentence() -> None:
    safe = synthetic.behaviour(repeating=0, early=2, questions_lost=1)
    judged = made({**TRUTH, "behaviour": safe}).screen.costs[0]
    assert (judged.value, judged.source) == ("✓ as good", "measured")
    assert judged.says == "Its answers read like those of the model before."
    assert "KL" not in judged.basis
    for facts in (made(TRUTH), made()):
        assert facts.screen.costs[0].source == "forecast", "its answers were not tried"


def test_questions_are_beside_those_of_before() -> None:
    tried = {**TRUTH, "probe_accuracy": 0.52, "behaviour": synthetic.behaviour()}
    right = made(tried, questions=0.9).screen.costs[2]
    assert (right.value, right.says) == ("52 in 100", "questions are answered right; before 73 in 100")
    assert made({**TRUTH, "probe_accuracy": 0.52}, questions=0.6).screen.costs[2].says.endswith("60 in 100")
    unknown = made(questions=0.6).screen.costs[2]
    assert (unknown.value, unknown.source) == ("Not tested", "not tried")
    assert unknown.says.endswith("before 60 in 100")


def test_what_is_cut_out_is_faster_and_zeros_are_not() -> None:
    timed, guessed = (
        Speed(1.25, 1.4, "PyTorch here", timed=True, band=0.03),
        Speed(1.2, 1.3, "A box", timed=False),
    )
    faster = made(CUT, speed=timed).screen.saves[1]
    assert (faster.value, faster.source) == ("25 % faster", "forecast")
    assert "40 % faster when it reads" in faster.says
    assert faster.basis == "PyTorch here: between 21 % faster and 29 % faster."
    assert made(CUT, speed=guessed).screen.saves[1].basis == "Not timed; A box."
    assert made(CUT, speed=guessed).screen.saves[1].source == "estimate"
    assert made(CUT).screen.saves[1].source == "not tried"
    assert made(TRUTH, speed=timed).screen.saves[1].value == "No faster"
    assert made(CUT, speed=Speed(0.98, 1.0, "A box", timed=False)).screen.saves[1].value == "2 % slower"


def test_what_to_do_with_it_is_said_in_short() -> None:
    good, bad = synthetic.behaviour(repeating=0, early=2, questions_lost=1), synthetic.behaviour(repeating=6)
    short = made({**TRUTH, "behaviour": good}).screen.short
    assert short == "In short: it can stand in for the model before."
    assert made({**TRUTH, "behaviour": bad}).screen.short.startswith("In short: not fit for use as it is.")
    assert made({**TRUTH, "kl": 3.0}).screen.short.startswith("In short, probably: not fit")


def test_what_was_done_is_said_as_it_was() -> None:
    weights, units = {(0, "up"): 0.5}, {(0, "neurons"): 0.2}
    assert "15 % were set to zero" in words.done("it", weights, 0.15, cut=False)
    assert "were cut out." in words.done("it", units, 0.15, cut=True)
    assert "were set to zero." in words.done("it", units, 0.15, cut=False)
    assert "were cut out or set to zero." in words.done("it", weights | units, 0.15, cut=True)


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 in 100"), (0.9996, "over 99 in 100"), (0.934, "93 in 100"), (0.001, "under 1 in 100")],
)
def test_times_in_a_hundred(share: float, text: str) -> None:
    assert made({**TRUTH, "agreement": share}).screen.costs[1].value == text


def test_the_sums_add_up() -> None:
    money, devices = made(CUT, Assumptions(price=4.0, copies=1000, memory=2.0, currency="$")).meanings
    saved = (538_090_408 - 376_663_285) / 1e9
    assert money.result == f"{4.0 * 1000 * saved:,.2f} $ less a month for memory"
    assert money.sum == "0.161 GB less a copy × 1,000 copies × 4.00 $ a GB and month = about 645.71 $ a month"
    assert devices.result == "5 copies fit into one device, instead of 3"
    assert devices.sum == "2 GB ÷ 0.538 GB a copy = 3; 2 GB ÷ 0.377 GB a copy = 5"


@pytest.mark.parametrize(
    ("memory", "text"),
    [
        (0.1, "It still does not fit into 0.1 GB"),
        (0.4, "It did not fit into 0.4 GB, and now it does"),
        (0.6, "1 copy fits into one device, as before"),
    ],
)
def test_devices(memory: float, text: str) -> None:
    assert made(CUT, Assumptions(memory=memory)).meanings[-1].result == text


def test_zeros_save_no_memory_and_no_money() -> None:
    money, devices, compact = made(TRUTH, Assumptions(price=4.0, copies=1000, memory=2.0)).meanings
    assert money.result == "Memory costs as much as before"
    assert devices.result == "3 copies fit into one device, as before"
    assert compact.result == "161 MB less to keep and to send as a compact file"
    assert compact.sum.startswith("538 MB - 377 MB a copy. It is unpacked before it runs")


def test_what_is_cut_out_is_smaller_in_every_form() -> None:
    facts = made(CUT)
    size = facts.screen.saves[0]
    assert (size.value, size.says) == ("30 % smaller", "on disk and in memory: 377 MB, was 538 MB")
    assert [each.label for each in facts.bars] == ["Before", "After"]


def test_every_assumption_that_is_used_is_listed() -> None:
    page = said(present_page.body(made(TRUTH, Assumptions(price=4.0, copies=1000, memory=2.0))))
    for text in (
        "4.00 € a month for one GB",
        "1,000 copies of the model",
        "2 GB of memory are free",
    ):
        assert text in page
    nothing = said(present_page.body(made(TRUTH, Assumptions(price=0, memory=0))))
    assert "assumed" not in nothing


def test_answers_part_where_a_word_begins() -> None:
    spoken = words.spoken(ANSWER)
    assert spoken.before[: spoken.shared] == "Air scatters"
    assert spoken.after == "Air scatters bluish light …", "an answer that was cut is shown as such"
    middle = {**ANSWER, "dense_tokens": ["Air", " scat", "ters"], "first_difference": 2}
    assert words.spoken(middle).shared == len("Air ")
    same = {**ANSWER, "pruned": ANSWER["dense"], "pruned_ended": True, "first_difference": None}
    assert "the same, word for word" in present_page.body(made(answer=same))
    assert "<mark>" not in present_page.body(made(answer=same))


# ---- the file ---------------------------------------------------------------------------------------


def test_the_file_stands_alone() -> None:
    file = present_page.document(made(TRUTH, answer=ANSWER))
    assert file.startswith("<!doctype html>")
    assert POLICY in file
    lower = file.lower()
    for outside in ("<script", "http://", "https://", "@import", "<link", "<iframe", "javascript:", "onload"):
        assert outside not in lower
    assert set(re.findall(r'src="([^,"]+)', file)) == {"data:image/svg+xml;base64"}
    assert "prefers-color-scheme: dark" in file
    assert "@media print" in file
    assert present_page.body(made(TRUTH, answer=ANSWER), rank=1) in file, "the page and the file say the same"


def test_every_text_of_a_user_is_escaped() -> None:
    bad = "</style><script>alert('1')</script>&\"<b>"
    facts = made(
        TRUTH,
        Assumptions(title=bad, currency=bad),
        model=bad.replace("/", ""),
        answer={**ANSWER, "prompt": bad, "dense": f"Air scatters{bad}", "pruned": bad},
    )
    facts = replace(facts, record=bad)
    for html in (present_page.document(facts), present_page.body(facts)):
        assert "<script" not in html
        assert bad not in html
        assert html.count("</style>") == html.count("<style>")
        assert bad in unescape(html)


def test_a_folders_path_stays_at_home() -> None:
    file = present_page.document(made(TRUTH, model="/home/somebody/secret/my-model"))
    assert "my-model" in file
    assert "secret" not in file


def test_the_picture_leaves_out_the_plans_share() -> None:
    facts = made(TRUTH)
    pictures = [
        ElementTree.fromstring(base64.b64decode(data))
        for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", present_page.body(facts))
    ]
    assert len(pictures) == 5, "three bars, and the parts in two groups"
    full, after, compact, reading, working = (
        {
            kind: sum(
                float(box.get("width")) * float(box.get("height"))
                for box in picture
                if (float(box.get("fill-opacity")) == 1) == kept
            )
            for kind, kept in (("kept", True), ("all", False))
        }
        for picture in pictures
    )
    assert full["kept"] == full["all"]
    assert after["kept"] == after["all"], "zeros are written like other numbers"
    assert compact["kept"] / compact["all"] == pytest.approx(TRUTH["bytes"] / 538_090_408, rel=1e-4)
    assert reading["kept"] == reading["all"], "this plan leaves attention alone"
    assert working["kept"] / working["all"] == pytest.approx(1 - (0.4 + 0.5 + 0) / 3, rel=1e-3)
