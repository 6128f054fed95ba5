"""Bad model files: configurations, headers of safetensors and GGUF files, tokenizers."""

import json
import struct
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.inputs.mutate import Bad, Basis, Words, as_json, linked, mutated, replaced, spoilt

# What a configuration is asked for beside what the tiny model's has.
_MORE: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "per_layer_config": {"0": {"intermediate_size": 32}},
    "head_dim": 8,
    "rope_scaling": {"rope_type": "linear", "factor": 2.0},
    "quantization_config": {"quant_method": "gptq"},
    "auto_map": {"AutoModelForCausalLM": "modeling.Model"},
}


def _looked_at(model: Path, basis: Basis) -> list[Words]:
    return [["inspect", str(model)], ["check", str(model), str(basis.recipe)]]


def configs(random: Random, folder: Path, basis: Basis) -> Bad:
    """A folder whose config.json is wrong."""
    model = linked(basis, folder)
    path = model / "config.json"
    right = path.read_bytes()
    if random.random() < 0.25:
        about, write = spoilt(random, right)
        replaced(path, write)
    else:
        said = json.loads(right)
        extra = random.choice([{}, *({name: value} for name, value in _MORE.items())])
        about, value = mutated(random, {**said, **extra})
        replaced(path, lambda place, _: place.write_bytes(as_json(value)) and None)
    return Bad(f"config.json: {about}", _looked_at(model, basis))


def _header(random: Random, right: bytes) -> tuple[str, bytes]:
    """A safetensors file with the header of another."""
    (length,) = struct.unpack("<Q", right[:8])
    header, body = json.loads(right[8 : 8 + length]), right[8 + length :]
    if random.random() < 0.3:
        size = random.choice([0, 1, length - 1, length + 1, 2**28, 2**31, 2**63, 2**64 - 1])
        return f"header of {size} bytes", struct.pack("<Q", size) + right[8:]
    if random.random() < 0.2:
        text = random.choice([b"[" * 100_000, b'{"__metadata__":' * 20_000, b"[]", b"1", b'"a"', b"{}"])
        return f"header {text[:20]!r}", struct.pack("<Q", len(text)) + text + body
    packed = {**header, "__metadata__": {"packed_shapes": '{"lm_head.weight": [1, -1]}', "format": "pt"}}
    about, value = mutated(random, random.choice([header, header, packed]))
    text = as_json(value)
    return about, struct.pack("<Q", len(text)) + text + body


def safetensors(random: Random, folder: Path, basis: Basis) -> Bad:
    """A folder whose weights have a wrong header, at times named as a compact model, or in shards."""
    model = linked(basis, folder)
    path = model / "model.safetensors"
    right = path.read_bytes()
    if random.random() < 0.2:
        index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00001-of-00001.safetensors"}}
        about, value = mutated(random, index)
        path.unlink()
        (model / "model.safetensors.index.json").write_bytes(as_json(value))
        return Bad(f"index: {about}", _looked_at(model, basis))
    if random.random() < 0.3:
        about, write = spoilt(random, right)
        replaced(path, write)
    else:
        about, content = _header(random, right)
        replaced(path, lambda place, _: place.write_bytes(content) and None)
    if random.random() < 0.25:
        path.rename(model / "compact.safetensors")
    return Bad(f"safetensors: {about}", _looked_at(model, basis))


# Where a GGUF file begins: its magic, version, and how many tensors and keys it has.
_START = struct.Struct("<4sIQQ")


def gguf(random: Random, folder: Path, basis: Basis) -> Bad:
    """A GGUF file with a wrong header."""
    path, right = folder / "bad.gguf", basis.gguf.read_bytes()
    way = random.randrange(4)
    if way == 0:
        about, write = spoilt(random, right)
        write(path, right)
    elif way == 1:
        about, content = _begun_wrong(random, right)
        path.write_bytes(content)
    elif way == 2:
        about, content = _strange_key(random, right)
        path.write_bytes(content)
    else:
        at = random.randrange(_START.size, 6000)
        flipped = bytes(byte ^ random.randrange(256) for byte in right[at : at + 8])
        about = f"eight bytes at {at}"
        path.write_bytes(right[:at] + flipped + right[at + 8 :])
    return Bad(f"gguf: {about}", _looked_at(path, basis))


def _begun_wrong(random: Random, right: bytes) -> tuple[str, bytes]:
    magic, version, tensors, keys = _START.unpack(right[: _START.size])
    start = [magic, version, tensors, keys]
    where = random.randrange(4)
    start[where] = b"GGML" if where == 0 else random.choice([0, 1, 4, 999_999, 2**32 - 1])
    return f"begins with {start}", _START.pack(*start) + right[_START.size :]


def _strange_key(random: Random, right: bytes) -> tuple[str, bytes]:
    """One key more than there were, whose value is strange, or one that was there with another value."""
    name = random.choice(
        ["general.alignment", "llama.block_count", "llama.attention.head_count", "prunescope.config", "x"]
    )
    kind, value = random.choice(
        [
            (4, struct.pack("<I", 0)),
            (4, struct.pack("<I", 2**32 - 1)),
            (5, struct.pack("<i", -1)),
            (6, struct.pack("<f", float("inf"))),
            (6, struct.pack("<f", float("nan"))),
            (8, struct.pack("<Q", 2**63)),
            (8, struct.pack("<Q", 5) + b"[[[[["),
            (8, struct.pack("<Q", 100_000) + b"[" * 100_000),
            (8, struct.pack("<Q", 25) + b'{"num_hidden_layers": 1e9'),
            (9, struct.pack("<IQ", 9, 1) * 20_000),
            (9, struct.pack("<IQ", 8, 2**28)),
            (9, struct.pack("<IQ", 12, 2**28)),
            (99, b""),
        ]
    )
    magic, version, tensors, keys = _START.unpack(right[: _START.size])
    entry = struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value
    # The last of two keys of one name counts, so that it has to come after the others: written twice.
    metadata = right[_START.size :]
    if random.random() < 0.5:
        metadata = metadata.replace(name.encode(), b"y" * len(name), 1)
    begun = _START.pack(magic, version, tensors, keys + 1)
    return f"{name} of type {kind}: {value[:16]!r}", begun + entry + metadata


def tokenizers(random: Random, folder: Path, basis: Basis) -> Bad:
    """A folder whose tokenizer is wrong, met when text is read."""
    model = linked(basis, folder)
    path = model / random.choice(["tokenizer.json", "tokenizer.json", "tokenizer_config.json"])
    right = path.read_bytes()
    if random.random() < 0.3:
        about, write = spoilt(random, right)
        replaced(path, write)
    else:
        said = json.loads(right)
        # Its vocabulary has most places; what else there is should be met as often.
        small = (
            {**said, "model": {**said["model"], "merges": said["model"]["merges"][:3]}}
            if "model" in said
            else said
        )
        about, value = mutated(random, random.choice([said, small, {**said, "chat_template": "{{ x.y.z }}"}]))
        replaced(path, lambda place, _: place.write_bytes(as_json(value)) and None)
    return Bad(f"{path.name}: {about}", [["text", str(model), "--data", str(basis.text)]])
