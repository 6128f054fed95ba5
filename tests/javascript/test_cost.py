"""The sizes and times that the browser works out are Python's."""

import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from pruning.planning.cost.latency_table import LatencyTable
from pruning.planning.cost.parts import Parts, parts_of
from pruning.planning.cost.plan_cost import plan_cost
from pruning.planning.recipe.plan import KINDS, UNIT_KINDS, Plan
from pruning.ui.data import costs
from pruning.workspace.store import Store
from tests.javascript.test_node import NODE, version
from tests.support import synthetic
from tests.support.latency_rows import put_latency
from tests.support.parts import WITH_BIASES

SCRIPT = Path(costs.__file__).parents[1] / "shared" / "cost.js"
NAMES = {
    "file_bytes": "fileBytes",
    "compact_bytes": "compactBytes",
    "memory_bytes": "memoryBytes",
    "prefill_ms": "prefillMs",
    "decode_ms": "decodeMs",
    "prefill_speedup": "prefillSpeedup",
    "decode_speedup": "decodeSpeedup",
    "timed": "timed",
}


def computed(parts: Parts, data: dict, plans: list[Plan]) -> list[dict]:
    """What the browser's script makes of the plans."""
    groups = [(layer, kind) for layer in parts.layers for kind in (*KINDS, *UNIT_KINDS)]
    table = {"groups": [{"layer": layer, "kind": kind} for layer, kind in groups], "cost": data}
    levels = [[plan.get(group, 0.0) for group in groups] for plan in plans]
    script = f"""{SCRIPT.read_text(encoding="utf-8")}
const {{ table, levels }} = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(levels.map((own) => costs(table, own))));"""
    given = json.dumps({"table": table, "levels": levels})
    done = subprocess.run([str(NODE), "-e", script], input=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def drawn(parts: Parts, rng: np.random.Generator) -> Plan:
    """Any levels of any kinds, some layers gone."""
    plan: Plan = {}
    for layer in parts.layers:
        for kind in (*KINDS, "neurons", "kv_groups" if rng.random() < 0.4 else "heads"):
            if rng.random() < 0.6:
                plan[layer, kind] = float(rng.choice([0.25, 0.5, rng.uniform(0, 0.95)]))
        if layer and rng.random() < 0.2:
            plan[layer, "layers"] = 1.0
    return plan


@pytest.mark.skipif(version() < 18, reason="there is no Node.js 18 or newer on the PATH")
@pytest.mark.parametrize("round_to", [None, 32])
@pytest.mark.parametrize("times", ["timed", "partly", "dense", "none"])
def test_browser_and_python_agree_on_any_mix(tmp_path: Path, times: str, round_to: int | None) -> None:
    store = Store(tmp_path)
    synthetic.put_model(store)
    parts = parts_of(store.find("inspect")[0]["value"])
    table = LatencyTable.from_dict(put_latency(store))
    partly = replace(table, shares={kind: own for kind, own in table.shares.items() if kind != "kv_groups"})
    latency = {"timed": table, "partly": partly}.get(times)
    dense = {"prefill": 500.0, "decode": 55.0} if times in ("dense", "partly") else None
    rng = np.random.default_rng(2)
    plans = [{}, *(drawn(parts, rng) for _ in range(25)), {(3, "neurons"): 0.5, (3, "heads"): 0.4}]
    plans += [
        {(layer, "neurons"): 0.5 for layer in parts.layers},
        {(3, "heads"): 0.4},
        {(1, "kv_groups"): 0.4},
    ]
    seen = computed(parts, costs.cost_data(parts, latency, dense, round_to), plans)
    for plan, ours in zip(plans, seen, strict=True):
        true = asdict(plan_cost(parts, plan, latency, dense, round_to))
        assert {NAMES[name] for name in true} == set(ours)
        for name, value in true.items():
            close = value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-9)
            assert ours[NAMES[name]] == close, (name, plan)
    timed = {ours["timed"] for ours in seen}
    assert timed == {"timed": {True}, "partly": {True, False}}.get(times, {False})


@pytest.mark.skipif(version() < 18, reason="there is no Node.js 18 or newer on the PATH")
def test_biases_and_norms_are_counted_alike() -> None:
    plans: list[Plan] = [
        {(0, "neurons"): 0.25, (1, "heads"): 0.75},
        {(0, "kv_groups"): 0.5, (1, "layers"): 1.0, (0, "up"): 0.9},
    ]
    seen = computed(WITH_BIASES, costs.cost_data(WITH_BIASES), plans)
    for plan, ours in zip(plans, seen, strict=True):
        true = plan_cost(WITH_BIASES, plan)
        assert (ours["fileBytes"], ours["memoryBytes"]) == (true.file_bytes, true.memory_bytes)
        assert ours["compactBytes"] == pytest.approx(true.compact_bytes, abs=1)
