"""The forecasts that the browser works out are Python's, of weights, of units and of both together."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pruning.benchmarks.synthetic import sensitivity_map, with_units
from pruning.planning.forecast.diagnostics import layer_set
from pruning.planning.forecast.forecaster import Forecaster
from pruning.planning.forecast.sensitivity_map import SensitivityMap
from pruning.planning.recipe.plan import KINDS, Plan
from pruning.ui.explore.mixer import payload
from tests.javascript.test_node import NODE, version

UI = Path(payload.__file__).parents[2]
SCRIPTS = (UI / "shared" / "cost.js", UI / "explore" / "mixer" / "forecast.js")
NAMES = {
    "kl": "kl",
    "kl_low": "klLow",
    "kl_high": "klHigh",
    "perplexity": "perplexity",
    "perplexity_low": "perplexityLow",
    "perplexity_high": "perplexityHigh",
    "agreement": "agreement",
    "accuracy": "accuracy",
    "bytes": "bytes",
    "file_bytes": "fileBytes",
    "sparsity": "sparsity",
}


def computed(forecaster: Forecaster, plans: list[Plan]) -> list[dict]:
    """What the browser's script makes of the plans."""
    table = payload.table_data(forecaster, payload.Marks())
    levels = [forecaster.smap.levels_of(plan).tolist() for plan in plans]
    source = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    script = f"""{source}
const {{ table, levels }} = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const seen = levels.map((own) => forecast(table, own));
console.log(JSON.stringify(seen.map((one) => ({{ ...one, layerSet: layerSet(table, one) }}))));"""
    given = json.dumps({"table": table, "levels": levels})
    done = subprocess.run([str(NODE), "-e", script], input=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def drawn(smap: SensitivityMap, rng: np.random.Generator) -> Plan:
    """Any levels of any kinds, some layers gone."""
    plan: Plan = {}
    for layer in range(1 + max(layer for layer, _ in smap.groups)):
        if smap.unit_totals and rng.random() < 0.15:
            plan[layer, "layers"] = 1.0
            continue
        units = ("neurons", "kv_groups" if rng.random() < 0.4 else "heads") if smap.unit_totals else ()
        for kind in (*KINDS, *units):
            if rng.random() < 0.5:
                plan[layer, kind] = float(rng.choice([0.25, 0.5, rng.uniform(0, 0.95)]))
    return plan


@pytest.mark.skipif(version() < 18, reason="there is no Node.js 18 or newer on the PATH")
@pytest.mark.parametrize("units", [False, True])
def test_any_plan_is_forecast_alike(units: bool) -> None:
    smap = with_units(sensitivity_map(layers=8)) if units else sensitivity_map(layers=8)
    rng = np.random.default_rng(3)
    plans = [{}, *(drawn(smap, rng) for _ in range(25))]
    measured = [(plan, 1.4 * Forecaster.prior(smap).forecast(plan).kl) for plan in plans[1:9]]
    for forecaster in (Forecaster.prior(smap), Forecaster.fitted(smap, measured)):
        for plan, ours in zip(plans, computed(forecaster, plans), strict=True):
            true = forecaster.forecast(plan)
            for name, theirs in NAMES.items():
                near = 1 if name.endswith("bytes") else 1e-12
                assert ours[theirs] == pytest.approx(getattr(true, name), rel=1e-9, abs=near), name
            said = layer_set(forecaster, plan)
            assert (ours["layerSet"] is None) == (said is None)
            if said is not None:
                found = ours["layerSet"]
                assert (tuple(found["layers"]), found["weak"]) == (said.layers, said.weak)
                assert found["share"] == pytest.approx(said.share)
            assert ours["damage"] == pytest.approx(forecaster.group_costs(plan).tolist(), rel=1e-9)


def test_the_table_tells_kinds_of_units_from_kinds_of_weights() -> None:
    table = payload.table_data(Forecaster.prior(with_units(sensitivity_map(layers=3))), payload.Marks())
    assert table["order"] == list(KINDS)
    assert table["unitOrder"] == ["layers", "heads", "kv_groups", "neurons"]
    assert {*table["order"], *table["unitOrder"]} <= set(table["kinds"])
    number = {(group["layer"], group["kind"]): index for index, group in enumerate(table["groups"])}
    assert table["mix"]["counts"][number[1, "heads"]] == 9
    assert table["mix"]["rest"][number[1, "layers"]] == 2 * 576
    shares = {(weights, units): share for weights, units, share in table["mix"]["taken"]}
    assert shares[number[1, "qkv"], number[1, "heads"]] == pytest.approx(0.6)
    guides = [preset for preset in table["presets"] if preset["fixed"][number[1, "heads"]] == 0.25]
    assert [preset["label"] for preset in guides] == ["The guide's", "The guide's, attention alone"]
    for preset in table["presets"]:
        assert preset["times"][number[1, "heads"]] == preset["times"][number[1, "layers"]] == 0
