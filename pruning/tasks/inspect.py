"""Tasks that look at a model: what it is made of, and how good it is."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from pruning.engine.architecture.groups import GroupInfo, decoder_layers, weight_shape, weight_view
from pruning.engine.calibration.data import load_probes
from pruning.engine.evaluation.metrics import probe_accuracy
from pruning.engine.evaluation.size import dense_bytes
from pruning.engine.evaluation.timing import dense_times
from pruning.engine.export.gguf.write import bytes_beside
from pruning.errors import PruningError
from pruning.planning.imports.pruned_before import Row, findings
from pruning.tasks.context.session import Session
from pruning.tasks.context.units import units_of, writable_counts


def inspect_model(session: Session) -> dict[str, Any]:
    """What the model is made of: counts of layers, parameters and groups."""
    loaded = session.loaded
    config: Any = loaded.model.config
    text = config.get_text_config()
    value = {
        "reference": loaded.reference,
        "architecture": type(loaded.model).__name__,
        "fingerprint": loaded.fingerprint,
        "computed": loaded.computed,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "prunable_parameters": sum(group.parameters for group in loaded.groups),
        "layers": 1 + max(group.layer for group in loaded.groups),
        "hidden_size": text.hidden_size,
        "vocabulary": text.vocab_size,
        "bytes": dense_bytes(loaded.model, loaded.weight_bytes),
        "groups": [
            {
                "layer": group.layer,
                "kind": group.kind,
                "modules": [part.module for part in group.parts],
                "parameters": group.parameters,
                "shape": _shape(loaded.model, group),
                "biases": _biases(loaded.model, group),
            }
            for group in loaded.groups
        ],
        "norms": _norms(loaded.model, loaded.groups),
        **_tables(loaded.model),
        **_units(session),
        "pruned_before": _pruned_before(loaded.model, loaded.groups),
        "gguf": _gguf(session),
    }
    session.store.put("inspect", {"reference": loaded.reference, "dtype": loaded.dtype}, value)
    return value


def _shape(model: nn.Module, group: GroupInfo) -> list[int]:
    """Rows and columns of a group's weights, one part below the other."""
    shapes = [weight_shape(model, part) for part in group.parts]
    return [sum(rows for rows, _ in shapes), shapes[0][1]]


def _biases(model: nn.Module, group: GroupInfo) -> int:
    """How many biases go with the rows of a group."""
    with_bias = [part for part in group.parts if model.get_submodule(part.module).bias is not None]
    return sum(weight_shape(model, part)[0] for part in with_bias)


def _pruned_before(model: nn.Module, groups: Sequence[GroupInfo]) -> list[str]:
    """Sentences on what was pruned before the model came here, by its zeros and the widths of its layers."""
    rows: dict[str, list[Row]] = {}
    for group in groups:
        zeros = sum(int((weight_view(model, part) == 0).sum()) for part in group.parts)
        rows_columns = _shape(model, group)
        shape = rows_columns[0], rows_columns[1]
        rows.setdefault(group.kind, []).append((group.layer, shape, zeros / group.parameters))
    return findings(rows)


def _norms(model: nn.Module, groups: Sequence[GroupInfo]) -> list[int]:
    """By layer, its parameters that are neither weights nor biases of its groups."""
    counts = [sum(p.numel() for p in layer.parameters()) for _, layer in decoder_layers(model)]
    for group in groups:
        counts[group.layer] -= group.parameters + _biases(model, group)
    return counts


def _tables(model: nn.Module) -> dict[str, Any]:
    """Weights of the tables that words and places are looked up in, each once, and of the head.

    `tied_head`: the head is one of these tables.
    """
    weights = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    tables = {id(weight): weight for weight in weights}
    output: Any = model.get_output_embeddings()  # type: ignore[operator]
    head = output.weight
    return {
        "embedding_parameters": sum(weight.numel() for weight in tables.values()),
        "head_parameters": head.numel(),
        "tied_head": id(head) in tables,
    }


def _units(session: Session) -> dict[str, Any]:
    """`units`: how many neurons, heads and KV groups each layer has, by kind; `no_heads`: why heads are not
    among them, where they do not come apart; `writable`: how many heads or KV groups every layer may lose so
    that a smaller model can be written."""
    neurons = units_of(session, "neurons").totals("neurons")
    counts, why = {"neurons": list(neurons.values())}, None
    writable: dict[str, list[int]] = {}
    try:
        units = units_of(session, "heads")
        for kind in ("heads", "kv_groups"):
            counts[kind] = list(units.totals(kind).values())
            writable[kind] = writable_counts(session, kind)
    except PruningError as error:
        why = str(error)
    return {"units": counts, "no_heads": why, "writable": writable}


def _gguf(session: Session) -> dict[str, Any]:
    """What a GGUF file of the model has beside its weights, or why there is none."""
    try:
        beside = bytes_beside(session.model, session.loaded.tokenizer)
        return {"beside_bytes": beside, "refused": None}
    except PruningError as error:
        why = str(error).removesuffix("Export to hf instead.").strip()
        return {"beside_bytes": None, "refused": why.removesuffix(".")}


def baseline(session: Session) -> dict[str, Any]:
    """Measure the dense model: quality on the text and on the questions, size, and speed on this machine."""
    session.check_whole("Timing")
    reference, model, device = session.reference, session.model, session.loaded.device
    session.stage("questions", "Answering the questions")
    probes = probe_accuracy(model, reference.head, session.loaded.tokenizer, load_probes())
    session.stage("times", "Timing")
    value = {
        "perplexity": reference.quality.perplexity,
        "accuracy": reference.quality.accuracy,
        "tokens": reference.quality.tokens,
        "bytes": dense_bytes(model, session.loaded.weight_bytes),
        **dense_times(model),
        "probe_accuracy": probes.pop("all"),
        "probes": probes,
        "device": device,
        "data_fingerprint": reference.windows.fingerprint,
    }
    session.store.put("baseline", {**session.key, "device": device}, value)
    return value
