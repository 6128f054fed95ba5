"""What a process of its own does with a written folder: load it as anybody would, without Prunescope.

Run as a script it reads requests from standard input and answers each, a line of JSON for a line. It imports
nothing of this package.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import torch
from accelerate.utils import align_module_device
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

# So many tokens are written by the model, with its cache.
NEW_TOKENS = 6


def digest(tensor: torch.Tensor) -> str:
    """What the values of a tensor come to, as float32 numbers where they are no integers."""
    values = tensor.detach().float() if tensor.is_floating_point() else tensor
    return hashlib.blake2b(
        values.contiguous().reshape(-1).view(torch.uint8).numpy().data, digest_size=16
    ).hexdigest()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Load `folder` and run it.

    Parameters
    ----------
    request
        `folder`; `sample`, a safetensors file with token windows `ids` [n, length], to which `logits`
        [n, length, vocabulary] are added; `dtype` to load in; `trust_remote_code`; `text` for the tokenizer;
        `on_disk`, modules whose weights are read from the files whenever they run.

    Returns
    -------
    dict
        `digests` of all tensors by name; `missing` weights; `tokens` of the text; `short`: by how much the
        tokens that the model writes with its cache fall short of the largest logit without, in standard
        deviations of the logits there.
    """
    folder, code = request["folder"], bool(request["trust_remote_code"])
    placed: dict[str, Any] = {"dtype": getattr(torch, request["dtype"])}
    if request["on_disk"]:
        # Widened as they are read: what the files hold is all that is there.
        placed = {"dtype": torch.float32, "device_map": _places(request)}
    model, report = AutoModelForCausalLM.from_pretrained(
        folder, trust_remote_code=code, local_files_only=True, output_loading_info=True, **placed
    )
    model.eval()
    digests = {name: digest(tensor) for name, tensor in _values(model)}
    if not request["on_disk"]:
        model.float()  # so that rounding does not hide what is wrong
    sample = load_file(request["sample"])
    with torch.no_grad():
        logits = model(input_ids=sample["ids"], use_cache=False).logits
        short = _falls_short(model, sample["ids"][:1])
    save_file({**sample, "logits": logits.contiguous()}, request["sample"])
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=code, local_files_only=True)
    return {
        "digests": digests,
        "missing": sorted(report["missing_keys"]),
        "tokens": dict(tokenizer(request["text"])),
        "short": short,
    }


def _places(request: dict[str, Any]) -> dict[str, str]:
    """By module where it is: on disk, or in memory."""
    config = AutoConfig.from_pretrained(
        request["folder"], trust_remote_code=bool(request["trust_remote_code"]), local_files_only=True
    )
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(config, trust_remote_code=bool(request["trust_remote_code"]))
    places = dict.fromkeys(request["on_disk"], "disk")
    for name, module in bare.named_modules():
        inside = any(name == path or name.startswith(f"{path}.") for path in places if places[path] == "disk")
        if not inside and not list(module.children()):
            places[name] = "cpu"
    return places


def _values(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of the model's state by name, each in memory for as long as it is looked at."""
    kept = model.state_dict()
    for path, module in model.named_modules(remove_duplicate=False):
        with align_module_device(module):
            for own, tensor in (*module._parameters.items(), *module._buffers.items()):
                name = f"{path}.{own}".lstrip(".")
                if tensor is not None and name in kept:
                    yield name, tensor


def _falls_short(model: Any, ids: torch.Tensor) -> float:
    """How far below the largest logit without cache the tokens are that the model writes with its cache."""
    # The folder's own settings may forbid tokens or draw them.
    model.generation_config = GenerationConfig(max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=True)
    written = model.generate(ids, attention_mask=torch.ones_like(ids))
    logits = model(input_ids=written[:, :-1], use_cache=False).logits[:, ids.shape[1] - 1 :].double()
    taken = logits.gather(-1, written[:, ids.shape[1] :, None]).squeeze(-1)
    short = (logits.amax(-1) - taken) / logits.std(-1).clamp_min(torch.finfo(torch.float64).tiny)
    return float(short.max())


def main() -> None:
    """Answer requests until there are no more."""
    modules: dict[str, Any] = sys.modules
    modules["pruning"] = None  # whoever loads the folder need not have it
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:  # each family fails in its own way
            said = {"error": (str(error).strip() or type(error).__name__).splitlines()[0]}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
