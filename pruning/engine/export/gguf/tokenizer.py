"""The tokenizer of a GGUF file: its tokens, how text is split into them, what is added, the chat template."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import gguf

from pruning.errors import PruningError

# What `tokenizer.ggml.pre` may say. llama.cpp splits text by rules of its own for each, and no file can carry
# rules: the one is taken under which it makes the same tokens of `PROBE`.
PRE_TOKENIZERS = (
    "gpt-2",
    "llama-bpe",
    "qwen2",
    "smollm",
    "tekken",
    "gpt-4o",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "falcon",
    "starcoder",
    "refact",
    "command-r",
    "stablelm2",
    "olmo",
    "dbrx",
    "poro-chat",
    "chatglm-bpe",
    "viking",
    "jais",
    "codeshell",
    "bloom",
    "exaone",
    "exaone4",
    "minerva-7b",
    "llama4",
    "seed-coder",
    "kimi-k2",
    "default",
)
# Where tokenizers differ: digits, contractions, runs of spaces and lines, scripts, code, symbols.
PROBE = (
    "It's 1984, isn't it? WE'LL PAY $12345.67 (50%) by 2026-11-29.\n\n  def f(x):\n\treturn x**2  # naïve\n"
    "Größe, déjà vu; Привет, мир! 你好，世界 12 三百  こんにちは 안녕하세요 ١٢٣ नमस्ते\r\n"
    "a_b-c/d\\e @user #tag https://x.org/?q=1&r=2 … — “quoted” ‘so’ 🙂🚀   \n\n\n end"
)
_BYTE_LENGTH = len("<0x00>")


def kind_of(tokenizer: Any) -> str:
    """`tokenizer.ggml.model` of a tokenizer. Raises PruningError for one that llama.cpp has no form for."""
    return _kind(_parts(tokenizer))


def _kind(parts: dict[str, Any]) -> str:
    model = parts["model"]
    if model["type"] != "BPE":
        raise PruningError(
            f"llama.cpp has no form for this model's tokenizer ({model['type']}) that is known here. "
            "Export to hf instead."
        )
    return "llama" if model.get("byte_fallback") else "gpt2"


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, vocabulary: int, pre: str) -> None:
    """Say everything about the tokenizer. `vocabulary`: how many rows the model's embedding has."""
    parts = _parts(tokenizer)
    kind = _kind(parts)
    tokens, types = _tokens(tokenizer, parts, vocabulary)
    writer.add_tokenizer_model(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in parts["model"]["merges"]]
    if kind == "llama":
        writer.add_token_scores(_scores(tokens, parts["model"]["merges"]))
        writer.add_add_space_prefix(
            _pieces(tokenizer, "a")[:1] == ["▁a"] or _pieces(tokenizer, "a")[0] == "▁"
        )
    else:
        writer.add_tokenizer_pre(pre)
        writer.add_token_merges(merges)
    _add_special(writer, tokenizer, vocabulary)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """The token ids of a text, with what the tokenizer adds."""
    return list(tokenizer(text)["input_ids"])


def _parts(tokenizer: Any) -> dict[str, Any]:
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise PruningError(
            "This model's tokenizer is not a fast one, and its rules cannot be read. Export to hf instead."
        )
    parts: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return parts


def _pieces(tokenizer: Any, text: str) -> list[str]:
    return list(tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"]))


def _tokens(tokenizer: Any, parts: dict[str, Any], vocabulary: int) -> tuple[list[str], list[int]]:
    """The text and the type of every token that the embedding has a row for; rows without are unused.

    Tokens beyond the embedding, which some tokenizers have, could not be read by the model and are left out.
    """
    kind, by_bytes = gguf.TokenType, _kind(parts) == "llama"
    texts = {index: token for token, index in parts["model"]["vocab"].items()}
    types = dict.fromkeys(texts, kind.NORMAL)
    if by_bytes:
        types |= {i: kind.BYTE for i, text in texts.items() if _is_byte(text)}
    for added in parts["added_tokens"]:
        texts[added["id"]] = added["content"]
        types[added["id"]] = kind.CONTROL if added["special"] else kind.USER_DEFINED
    if by_bytes and tokenizer.unk_token_id is not None:
        types[tokenizer.unk_token_id] = kind.UNKNOWN
    rows = range(vocabulary)
    return [texts.get(i, f"[PAD{i}]") for i in rows], [int(types.get(i, kind.UNUSED)) for i in rows]


def _is_byte(text: str) -> bool:
    return len(text) == _BYTE_LENGTH and text.startswith("<0x") and text.endswith(">")


def _scores(tokens: Sequence[str], merges: Sequence[Any]) -> list[float]:
    """Scores under which the highest one is merged first, as the order of the merges says."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault("".join(merge.split(" ", 1) if isinstance(merge, str) else merge), rank)
    return [-float(ranks.get(token, len(merges))) for token in tokens]


def _add_special(writer: gguf.GGUFWriter, tokenizer: Any, vocabulary: int) -> None:
    add: dict[str, Callable[[int], None]] = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unk": writer.add_unk_token_id,
        "pad": writer.add_pad_token_id,
        "sep": writer.add_sep_token_id,
        "mask": writer.add_mask_token_id,
    }
    for name, say in add.items():
        number = getattr(tokenizer, f"{name}_token_id", None)
        if isinstance(number, int) and number < vocabulary:
            say(number)
    plain, whole = tokenizer("a", add_special_tokens=False)["input_ids"], ids_of(tokenizer, "a")
    writer.add_add_bos_token(len(whole) > len(plain) and whole[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(len(whole) > len(plain) and whole[-1] == tokenizer.eos_token_id)
