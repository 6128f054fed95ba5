"""What the browser writes is what Python writes: numbers on one page come from both."""

import json
import subprocess
from pathlib import Path

import pytest

from pruning.ui.text import format
from tests.javascript.test_node import NODE, version

SCRIPT = Path(format.__file__).parents[1] / "shared" / "format.js"
THOUSANDTHS = [step / 1000 for step in range(1001)]
# Every half of a percent and of a tenth of one, as it is typed and as a computation leaves it.
HALVES = [(step + 0.5) / 100 for step in range(100)] + [(step + 0.5) / 1000 for step in range(1000)]
SHARES = [*THOUSANDTHS, *HALVES, *(share - 1e-17 for share in HALVES), *(-share for share in HALVES)]
PERPLEXITIES = [
    1.0,
    9.994,
    45.45,
    999.5,
    1000.5,
    13_830.0,
    999_499.0,
    999_600.0,
    1.25e6,
    4.6e10,
    3e12,
    1.3e22,
]


@pytest.mark.skipif(version() < 18, reason="there is no Node.js 18 or newer on the PATH")
def test_shares_and_perplexities_are_written_alike() -> None:
    calls = [
        "given.shares.map(wholePercent)",
        "given.shares.map((share) => percentText(share))",
        "given.shares.map((share) => percentText(share, 1))",
        "given.perplexities.map(perplexityText)",
    ]
    script = f"""{SCRIPT.read_text(encoding="utf-8")}
const given = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify([{", ".join(calls)}]));"""
    given = json.dumps({"shares": SHARES, "perplexities": PERPLEXITIES})
    done = subprocess.run([str(NODE), "-e", script], input=given, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        [format.whole_percent(share) for share in SHARES],
        [format.percent(share) for share in SHARES],
        [format.percent(share, 1) for share in SHARES],
        [format.perplexity(value) for value in PERPLEXITIES],
    ]


def test_a_half_is_rounded_up() -> None:
    assert [format.whole_percent((step + 0.5) / 100) for step in range(100)] == list(range(1, 101))
