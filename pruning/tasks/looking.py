"""Tasks that look at a model: what it is made of, how good it is, what it says."""

from typing import Any

import torch

from pruning.cost import dense_bytes, latency
from pruning.criteria import criterion as named_criterion
from pruning.data import load_probes
from pruning.errors import PruningError
from pruning.masks import masked, plan_masks
from pruning.metrics import probe_accuracy
from pruning.models import Loaded
from pruning.passes import device_of
from pruning.progress import Progress
from pruning.store import Store
from pruning.tasks.prepare import normal, reference_of, same_text, statistics_for


def inspect_model(loaded: Loaded, store: Store, progress: Progress) -> dict[str, Any]:
    """What the model is made of: counts of layers, parameters and groups."""
    config: Any = loaded.model.config
    text = config.get_text_config()
    value = {
        "reference": loaded.reference,
        "architecture": type(loaded.model).__name__,
        "fingerprint": loaded.fingerprint,
        "dtype": loaded.dtype,
        "device": loaded.device,
        "parameters": sum(parameter.numel() for parameter in loaded.model.parameters()),
        "prunable_parameters": sum(group.parameters for group in loaded.groups),
        "layers": 1 + max(group.layer for group in loaded.groups),
        "hidden_size": text.hidden_size,
        "vocabulary": text.vocab_size,
        "bytes": dense_bytes(loaded.model),
        "groups": [
            {
                "layer": group.layer,
                "kind": group.kind,
                "modules": [part.module for part in group.parts],
                "parameters": group.parameters,
            }
            for group in loaded.groups
        ],
    }
    store.put("inspect", {"reference": loaded.reference, "dtype": loaded.dtype}, value)
    return value


def baseline(loaded: Loaded, store: Store, progress: Progress, data: str = "demo") -> dict[str, Any]:
    """Measure the dense model: quality on `data` and on the questions, size, and speed on this machine."""
    reference = reference_of(loaded, data, progress)
    progress(1, 4, "Answering the questions")
    probes = probe_accuracy(loaded.model, reference.head, loaded.tokenizer, load_probes())
    progress(3, 4, "Timing")
    value = {
        "perplexity": reference.quality.perplexity,
        "accuracy": reference.quality.accuracy,
        "tokens": reference.quality.tokens,
        "bytes": dense_bytes(loaded.model),
        **latency(loaded.model),
        "probe_accuracy": probes.pop("all"),
        "probes": probes,
        "data_fingerprint": reference.windows.fingerprint,
    }
    store.put("baseline", same_text(loaded, data), value)
    return value


def generate(
    loaded: Loaded,
    store: Store,
    progress: Progress,
    prompt: str,
    settings: list[str],
    criterion: str = "fisher",
    max_new_tokens: int = 40,
    data: str = "demo",
) -> dict[str, Any]:
    """What the dense and the pruned model say to `prompt`, most likely token by most likely token."""
    if not prompt.strip():
        raise PruningError("The prompt is empty. Write a few words for the model to go on from.")
    plan, _ = normal(loaded, settings)
    chosen = named_criterion(criterion)
    masks = plan_masks(
        loaded.model, loaded.groups, chosen, plan, statistics_for(loaded, store, data, chosen, progress)
    )
    progress(0, 2, "The dense model answers")
    dense = _answer(loaded, prompt, max_new_tokens)
    progress(1, 2, "The pruned model answers")
    with masked(loaded.model, loaded.groups, masks):
        pruned = _answer(loaded, prompt, max_new_tokens)
    return {"dense": dense, "pruned": pruned}


def _answer(loaded: Loaded, prompt: str, max_new_tokens: int) -> str:
    """The model's greedy answer, through its chat template where it has one."""
    tokenizer, model = loaded.tokenizer, loaded.model
    if getattr(tokenizer, "chat_template", None):
        messages = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    else:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    ids = ids.to(device_of(model))
    generator: Any = model
    with torch.no_grad():
        said = generator.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id
            if tokenizer.pad_token_id is not None
            else tokenizer.eos_token_id,
        )
    return str(tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)).strip()
