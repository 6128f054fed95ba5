"""Timing on this machine, side by side in rounds, so that whatever else it does slows all of them alike."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch
from torch import nn

from pruning.engine.architecture.forward import device_of
from pruning.engine.architecture.units import Removal, Units
from pruning.engine.structured.selection import first_of, removal_of
from pruning.engine.structured.surgery import smaller
from pruning.planning.cost.latency_table import (
    LAYERS,
    MODES,
    PREFILL_TOKENS,
    LatencyTable,
    processor,
)
from pruning.progress import Progress, silent

ROUNDS = 8
# What every model does in a round.
PROMPTS, DECODE_TOKENS = 2, 8
# Shares of the neurons at which a narrower MLP is timed.
WIDTHS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75)


@dataclass(frozen=True)
class Race:
    """Seconds of several models [models, times] by mode, taken in turn; others are compared to the first.

    A round reads `PROMPTS` prompts and writes `DECODE_TOKENS` tokens with every model. What else the machine
    does only ever adds time.
    """

    seconds: dict[str, np.ndarray]

    def ratio(self, model: int, mode: str) -> float:
        """A model's time over the first one's.

        Tokens are short: one is compared to the other model's just beside it, and the median taken. Prompts
        take long enough for the machine to change between two of them: their lower quartiles are compared.
        """
        if mode == "decode":
            return float(np.median(self.seconds[mode][model] / self.seconds[mode][0]))
        low, first = (np.quantile(self.seconds[mode][one], 0.25) for one in (model, 0))
        return float(low / first)

    def spread(self, model: int, mode: str) -> float:
        """By which share that ratio may be off by chance, either way, in eight of ten races.

        From the quartiles of the ratios side by side: of n normal ones, whose deviation is the quartiles'
        distance over 1.349, the median deviates by 1.2533 / √n of it.
        """
        ratios = self.seconds[mode][model] / self.seconds[mode][0]
        low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
        return float(1.2816 * 1.2533 / 1.349 * (high - low) / middle / np.sqrt(ratios.size))


def race(models: Sequence[nn.Module], rounds: int = ROUNDS, progress: Progress = silent) -> Race:
    """Time models in turn, `rounds` times after a round that warms up; they are only read.

    Turns change with every prompt and every token, and so does who begins: what else the machine does falls
    on all alike.
    """
    taken: dict[str, list[list[float]]] = {mode: [[] for _ in models] for mode in MODES}
    for turn in range(rounds + 1):
        times = _round(models, backwards=turn % 2 == 0)
        if turn > 0:
            for mode in MODES:
                for model, seconds in enumerate(times[mode]):
                    taken[mode][model] += seconds
        progress(turn + 1, rounds + 1, "Timing")
    return Race({mode: np.array(seconds) for mode, seconds in taken.items()})


def dense_times(model: nn.Module, rounds: int = 3) -> dict[str, float]:
    """`prefill_ms` and `decode_ms`: median milliseconds to read a prompt, and to write one token after it."""
    result = race([model], rounds)
    return {f"{mode}_ms": 1000 * float(np.median(result.seconds[mode][0])) for mode in MODES}


def measured_speedup(
    dense: nn.Module, pruned: nn.Module, rounds: int = ROUNDS, progress: Progress = silent
) -> dict[str, float]:
    """How many times as fast as the dense model the pruned one is; both are only read.

    Returns
    -------
    `prefill` and `decode`: medians of repeated times, above 1 = faster. `…_low`, `…_high`: their quartiles.
    `dense_…_ms` and `…_ms`: the median milliseconds of either model.
    """
    result = race([dense, pruned], rounds, progress)
    speed: dict[str, float] = {}
    for mode in MODES:
        old, new = result.seconds[mode]
        low, middle, high = np.quantile(old / new, (0.25, 0.5, 0.75))
        speed |= {mode: float(middle), f"{mode}_low": float(low), f"{mode}_high": float(high)}
        speed |= {f"dense_{mode}_ms": 1000 * float(np.median(old))}
        speed |= {f"{mode}_ms": 1000 * float(np.median(new))}
    return speed


def _round(models: Sequence[nn.Module], backwards: bool) -> dict[str, list[list[float]]]:
    """Seconds [models, times] by mode to read `PREFILL_TOKENS` tokens, and to write each of some more."""
    config: Any = models[0].config
    device = device_of(models[0])
    ids = torch.arange(PREFILL_TOKENS, device=device).unsqueeze(0) % config.get_text_config().vocab_size
    times: dict[str, list[list[float]]] = {mode: [[] for _ in models] for mode in MODES}
    outputs: list[Any] = [None] * len(models)

    def timed(mode: str, model: int, **inputs: Any) -> None:
        start = now(device)
        outputs[model] = models[model](**inputs, use_cache=True, logits_to_keep=1)
        times[mode][model].append(now(device) - start)

    order = list(range(len(models)))[:: -1 if backwards else 1]
    with torch.no_grad():
        for _ in range(PROMPTS):
            for model in order:
                timed("prefill", model, input_ids=ids)
            order.reverse()
        for _ in range(DECODE_TOKENS):
            for model in order:
                step = outputs[model].logits[:, -1:].argmax(-1)
                timed("decode", model, input_ids=step, past_key_values=outputs[model].past_key_values)
            order.reverse()
    return times


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done all it was asked for; every timer reads this one."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def measure_table(
    model: nn.Module,
    units: Units,
    rounds: int = ROUNDS,
    progress: Progress = silent,
    racing: Callable[[nn.Module], Race] | None = None,
) -> LatencyTable:
    """Time the model with every layer narrower by the same share, for each kind of unit and share.

    What all layers save together, divided by their number, is what one saves: measured in the whole model,
    so that caches and memory are as full as they will be. Narrower copies are made one at a time: memory for
    two models is needed. The model is only read.

    Parameters
    ----------
    model, units
        The dense model and the units that can be taken out of it.
    rounds
        How often each narrower model is timed against the dense one, after a round that warms up.
    racing
        Races the dense model with a narrower one, in another engine than PyTorch.

    Returns
    -------
    Milliseconds of the dense model, and what a layer saves at each share.
    """
    removals = list(_narrower(units))
    races: list[tuple[str, float, Race]] = []
    for done, (kind, share, removal) in enumerate(removals):
        progress(done, len(removals), f"Timing without {share:.0%} of the {kind.replace('_', ' ')}")
        narrow = smaller(model, units, removal)
        races.append((kind, share, racing(narrow) if racing else race([model, narrow], rounds)))
    progress(len(removals), len(removals), "Timed")
    return _table(races, len(units.layers), device_of(model))


def _table(races: Sequence[tuple[str, float, Race]], layers: int, device: torch.device) -> LatencyTable:
    """The table of races between the dense model and one without a share of a kind."""
    kinds = list(dict.fromkeys(kind for kind, _, _ in races))
    shares = {kind: [0.0, *(share for raced, share, _ in races if raced == kind)] for kind in kinds}
    dense = {
        mode: 1000 * float(np.median([np.median(each.seconds[mode][0]) for *_, each in races]))
        for mode in MODES
    }
    saved = {
        mode: {
            kind: _saved(
                kind,
                [1.0, *(each.ratio(1, mode) for raced, _, each in races if raced == kind)],
                shares[kind],
                dense[mode],
                layers,
            )
            for kind in kinds
        }
        for mode in MODES
    }
    return LatencyTable(
        dense=dense,
        shares={kind: (0.0, 1.0) if kind == LAYERS else tuple(values) for kind, values in shares.items()},
        saved=saved,
        spread={mode: float(np.median([each.spread(1, mode) for *_, each in races])) for mode in MODES},
        layers=layers,
        tokens=PREFILL_TOKENS,
        machine=machine(),
        device=str(device),
        threads=torch.get_num_threads(),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _saved(
    kind: str, ratios: Sequence[float], shares: Sequence[float], dense: float, layers: int
) -> tuple[float, ...]:
    """Milliseconds a layer saves at each share, 0 at the first; never less than at a smaller share."""
    affected = [max(1.0, share * layers) if kind == LAYERS else layers for share in shares]
    saved = [(1 - ratio) * dense / count for ratio, count in zip(ratios, affected, strict=True)]
    return (0.0, *(max(0.0, value) for value in rising(saved[1:])))


def rising(values: Sequence[float]) -> list[float]:
    """The rising numbers nearest to `values`: isotonic regression, which pools neighbours out of order."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    return [float(np.mean(pool)) for pool in pools for _ in pool]


def _narrower(units: Units) -> Iterator[tuple[str, float, Removal]]:
    """What is timed: (kind, share of it removed, the removal), the same in every layer."""
    totals = units.totals("neurons")
    for width in WIDTHS:
        counts = {layer: round(width * total) for layer, total in totals.items()}
        if all(0 < count < totals[layer] for layer, count in counts.items()):
            yield _uniform(units, "neurons", counts)
    if units.heads:
        first = next(iter(units.heads.values()))
        grouped = first.groups < first.count
        step = first.groups if grouped else max(1, first.count // 4)
        for count in range(step, first.count, max(step, first.count // 6 // step * step)):
            yield _uniform(units, "heads", dict.fromkeys(units.heads, count))
        if grouped:
            for count in range(1, first.groups, max(1, first.groups // 4)):
                yield _uniform(units, "kv_groups", dict.fromkeys(units.heads, count))
    half = len(units.layers) // 2
    if half:
        share = half / len(units.layers)
        yield LAYERS, share, Removal(layers=tuple(range(len(units.layers) - half, len(units.layers))))


def _uniform(units: Units, kind: str, counts: dict[int, int]) -> tuple[str, float, Removal]:
    totals = units.totals(kind)
    pruned = {(layer, kind): first_of(units, layer, kind, count) for layer, count in counts.items()}
    share = sum(counts.values()) / sum(totals[layer] for layer in counts)
    return kind, share, removal_of(units, pruned)


def machine() -> str:
    """What this machine's processors call themselves, the GPU's last, and how many cores there are."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return processor() + gpu


def side_by_side(works: Sequence[Callable[[], object]], device: torch.device, rounds: int) -> np.ndarray:
    """Seconds of pieces of work [works, rounds], taken in turn after a round that warms up."""
    taken = []
    for _ in range(rounds + 1):
        row = []
        for work in works:
            start = now(device)
            work()
            row.append(now(device) - start)
        taken.append(row)
    return np.array(taken[1:]).T
