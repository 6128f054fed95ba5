"""Checkpoints: recovered weights and unfinished recoveries as files, written aside and moved into place."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pruning.engine.architecture.units import Removal
from pruning.engine.masking.change import WeightChange
from pruning.errors import PruningError
from pruning.files import write_whole
from pruning.planning.recipe.plan import Group

ADVICE = "Make room on the disk and run it again; it goes on where it was."


def save_change(path: Path, change: WeightChange, about: Mapping[str, Any]) -> None:
    """Write all of a change, with a few plain facts about it; whoever reads sees a whole file or none.

    Parameters
    ----------
    change
        Its weights are stored as "weight LAYER KIND", its masks as "removed LAYER KIND", one bit a weight.
    about
        Facts that JSON can hold.

    Raises
    ------
    PruningError
        The disk cannot take it.
    """
    tensors = {f"weight {layer} {kind}": w.cpu().contiguous() for (layer, kind), w in change.weights.items()}
    shapes = {}
    for (layer, kind), mask in change.removed.items():
        tensors[f"removed {layer} {kind}"] = packed(mask)
        shapes[f"{layer} {kind}"] = list(mask.shape)
    notes = {"about": json.dumps(dict(about)), "shapes": json.dumps(shapes)}
    notes |= {"biases": json.dumps(change.biases), "units": json.dumps(_plain(change.units))}
    write_whole(path, lambda draft: save_file(tensors, draft, metadata=notes), "The weights", ADVICE)


def load_change(path: Path, device: str = "cpu") -> tuple[WeightChange, dict[str, Any]]:
    """The change that `save_change` wrote, and the facts. Raises PruningError for a damaged file."""
    removed: dict[Group, torch.Tensor] = {}
    weights: dict[Group, torch.Tensor] = {}
    try:
        with safe_open(path, framework="pt", device=device) as file:
            notes = file.metadata()
            shapes = json.loads(notes["shapes"])
            for name in file.keys():  # noqa: SIM118 - not a dict
                what, layer, kind = name.split(" ")
                if what == "weight":
                    weights[int(layer), kind] = file.get_tensor(name)
                else:
                    removed[int(layer), kind] = unpacked(file.get_tensor(name), shapes[f"{layer} {kind}"])
            biases, units = tuple(json.loads(notes["biases"])), _removal(json.loads(notes["units"]))
            return WeightChange(removed, weights, biases, units), json.loads(notes["about"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _damaged(path) from error


def _plain(units: Removal | None) -> dict[str, Any] | None:
    return None if units is None else asdict(units)


def _removal(plain: dict[str, Any] | None) -> Removal | None:
    """The units that JSON spelled: layers are numbers again, and lists tuples."""
    if plain is None:
        return None
    neurons, heads = (
        {int(layer): tuple(units) for layer, units in plain[kind].items()} for kind in ("neurons", "heads")
    )
    return Removal(neurons, heads, tuple(plain["layers"]))


def about(path: Path) -> dict[str, Any]:
    """The facts that were written with a change, without reading its weights."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads(file.metadata()["about"])
            return facts
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> PruningError:
    return PruningError(
        f"The recovered weights in {path} cannot be read. Delete the file and run the recovery again."
    )


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write what a recovery needs to go on where it is."""
    write_whole(path, lambda draft: torch.save(dict(state), draft), "The recovery", ADVICE)


def load_state(path: Path, device: str = "cpu") -> dict[str, Any] | None:
    """What `save_state` wrote; None where there is nothing, or nothing that can be read."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return state
    except Exception:  # each kind of damage raises something else, and all mean: start afresh
        return None


def packed(mask: torch.Tensor) -> torch.Tensor:
    """A mask with one bit a weight."""
    return torch.from_numpy(np.packbits(mask.cpu().numpy()))


def unpacked(bits: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """The mask [out, in] that `packed` packed."""
    flat = np.unpackbits(bits.cpu().numpy(), count=int(np.prod(shape)))
    return torch.from_numpy(flat.astype(bool).reshape(shape)).to(bits.device)
