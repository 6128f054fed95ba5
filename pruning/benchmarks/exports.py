"""The bench of exports: what is written of plans of every kind, in every engine it is meant for."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from pruning.benchmarks.tables import NOTHING, Figure, Result, decimals, figure_table, table, times, yes
from pruning.engine.evaluation.timing import race
from pruning.engine.export.gguf.racing import race_files
from pruning.engine.export.gguf.write import GgufFormat
from pruning.engine.llamacpp.engine import llama_cpp
from pruning.engine.models.load import load
from pruning.planning.cost.latency_table import MODES
from pruning.planning.exports.llamacpp import LLAMA_CPP, PYTORCH
from pruning.planning.recipe.mix import unit_part
from pruning.tasks.context.session import Session
from pruning.tasks.export import export_model
from pruning.tasks.recipe import recipe as make_recipe

# How llama.cpp's files are written: the first is the one that is raced.
NUMBERS = ("q8_0", "f16")
ROUNDS = 8
# What a plan must reach of what its bytes, read for a token, allow.
REACHED = 0.9
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A plan with its mask options, and how much faster it must write in llama.cpp, where that is wanted."""

    name: str
    settings: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    wanted: float | None = None


# Blocks of q8_0 hold 32 numbers of a row.
_BLOCKS = MappingProxyType({"round_to": 32})
CASES = (
    Case("half of the weights", ("all=0.5",)),
    Case("2:4", ("all=0.5",), MappingProxyType({"structure": "n:m", "pattern": "2:4"})),
    Case("20 % of the neurons", ("neurons=0.2",), _BLOCKS),
    Case("30 % of the neurons", ("neurons=0.3",), _BLOCKS, wanted=1.2),
    Case(
        "30 % of the neurons, a third of the heads", ("neurons=0.3", "heads=0.333333"), _BLOCKS, wanted=1.35
    ),
    Case(
        "neurons and heads, other in each layer",
        ("neurons=0.25", "neurons@0-9=0.125", "neurons@20-29=0.375", "heads@10-19=0.333333"),
        _BLOCKS,
    ),
    Case("4 layers", ("layers@13-14,17-18=1",)),
    Case(
        "KV groups, neurons, a layer and weights",
        ("kv_groups=0.333333", "neurons=0.25", "down=0.3", "layers@17=1"),
        _BLOCKS,
    ),
)


def bench_exports(session: Session) -> dict[str, Any]:
    """Write each plan as a folder and as GGUF files, each opened again by the engine it is meant for, and
    race what is really smaller against the dense model, in PyTorch and in llama.cpp, in turns.

    `reached` of a row: its decoding speed in llama.cpp over what its bytes allow, the ratio of the files'
    sizes. What goes is chosen by the criterion fisher, and what stays of cut matrices is refitted.
    """
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        dense = _dense_file(session, Path(scratch))
        for number, case in enumerate(CASES):
            session.progress(number, len(CASES), f"Writing and racing: {case.name}")
            rows.append(_row(session, case, Path(scratch), dense))
        size = dense.stat().st_size
    faster = [row for row in rows if row["reached"] is not None]
    return {
        "dense_bytes": size,
        "reached_least": min(row["reached"] for row in faster),
        "speed_met": all(row["llamacpp_decode"] >= row["wanted"] for row in faster if row["wanted"]),
        "rows": rows,
    }


def _dense_file(session: Session, scratch: Path) -> Path:
    """The dense model as the file that others are raced against."""
    path = scratch / "dense.gguf"
    with llama_cpp() as engine:
        GgufFormat(NUMBERS[0]).write_file(path, session.model, session.loaded.tokenizer, engine)
    return path


def _row(session: Session, case: Case, scratch: Path, dense: Path) -> Row:
    """What is written of one plan, and how fast it is."""
    made = make_recipe(session, case.settings, "fisher", **case.options)["recipe"]
    folder = scratch / "hf"
    row: Row = {"plan": case.name, "settings": list(case.settings), "wanted": case.wanted}
    row["hf_bytes"] = export_model(session, made, str(folder))["bytes"]
    for numbers in NUMBERS:
        out = scratch / numbers
        done = export_model(session, made, str(out), to="gguf", quantize=numbers)
        row |= {f"{numbers}_bytes": done["bytes"], f"{numbers}_agreement": done["llamacpp"]}
    row |= {**dict.fromkeys(_SPEEDS), "reached": None}
    if unit_part(session.plan(case.settings)):
        row |= _speed(session, scratch, dense)
    for name in ("hf", *NUMBERS):
        shutil.rmtree(scratch / name)
        # Nobody is to find among the written models what is gone.
        session.store.remove("export", {"fingerprint": session.loaded.computed, "out": str(scratch / name)})
    return row


_SPEEDS = tuple(f"{engine}_{mode}" for engine in (PYTORCH, LLAMA_CPP) for mode in MODES)


def _speed(session: Session, scratch: Path, dense: Path) -> dict[str, float]:
    """How many times as fast what was written is, by engine and mode, and what that is of what it could."""
    narrow = load(str(scratch / "hf"), session.loaded.dtype, session.loaded.device).model
    file = next((scratch / NUMBERS[0]).glob("*.gguf"))
    races = {
        PYTORCH: race([session.model, narrow], ROUNDS),
        LLAMA_CPP: race_files([dense, file], torch.get_num_threads(), ROUNDS),
    }
    speed = {f"{name}_{mode}": 1 / one.ratio(1, mode) for name, one in races.items() for mode in MODES}
    allowed = dense.stat().st_size / file.stat().st_size
    return {**speed, "reached": speed[f"{LLAMA_CPP}_decode"] / allowed}


def exports_tables(result: Result) -> list[str]:
    """What was written, how large it is and how fast."""

    def size(value: float) -> str:
        return f"{value / 1e6:.1f} MB"

    def speed(row: Row, engine: str) -> str:
        if row[f"{engine}_decode"] is None:
            return NOTHING
        return " / ".join(times(row[f"{engine}_{mode}"]) for mode in MODES)

    rows = [
        (
            row["plan"],
            *(size(row[f"{name}_bytes"]) for name in ("hf", "f16", "q8_0")),
            *(speed(row, engine) for engine in (PYTORCH, LLAMA_CPP)),
            NOTHING if row["reached"] is None else decimals(2)(row["reached"]),
            NOTHING if row["wanted"] is None else times(row["wanted"]),
        )
        for row in result["rows"]
    ]
    header = (
        "plan", "folder", "GGUF f16", "GGUF q8_0", "PyTorch, reading / writing",
        "llama.cpp at q8_0, reading / writing", "of what its bytes allow", "wanted, writing",
    )  # fmt: skip
    figures = [
        Figure(
            "reached_least",
            "least of what the bytes read for a token allow",
            decimals(2),
            f"at least {REACHED}",
        ),
        Figure("speed_met", "as fast in llama.cpp as wanted", yes, "yes"),
    ]
    return [figure_table(result, figures), table(header, rows)]
