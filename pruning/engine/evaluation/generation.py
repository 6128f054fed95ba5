"""Greedy generation, and how far a pruned model is from the dense one at each token of an answer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from pruning.engine.architecture.forward import Head, device_of, hidden_states
from pruning.engine.evaluation.metrics import CHUNK, token_kl
from pruning.errors import PruningError
from pruning.wording import counted


def prompt_tokens(tokenizer: Any, prompt: str) -> list[int]:
    """The prompt in tokens, through the tokenizer's chat template where it has one."""
    if not getattr(tokenizer, "chat_template", None):
        return list(tokenizer(prompt)["input_ids"])
    messages = [{"role": "user", "content": prompt}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def end_tokens(model: nn.Module, tokenizer: Any) -> set[int]:
    """The tokens that end an answer."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return {token for token in (*several, tokenizer.eos_token_id) if token is not None}


def check_length(model: nn.Module, prompt: Sequence[int], new_tokens: int) -> None:
    """Raises PruningError when prompt and answer together are longer than the model can read."""
    config: Any = model.config
    most = getattr(config.get_text_config(), "max_position_embeddings", None)
    if most is not None and len(prompt) + new_tokens > most:
        raise PruningError(
            f"The prompt has {counted(len(prompt), 'token')}; with {new_tokens} more for the answer that is "
            f"longer than the {most} this model reads. Shorten the prompt, or ask for a shorter answer."
        )


def generate_greedy(
    model: nn.Module,
    prompt: Sequence[int],
    new_tokens: int,
    stop: set[int],
    after_token: Callable[[int], None] = lambda _: None,
) -> list[int]:
    """Up to `new_tokens` tokens after `prompt`, each the most likely one; a token of `stop` is the last.

    `after_token` is told how many there are after each of them, and may raise to break off.
    """
    tokens: list[int] = []
    step = torch.tensor([list(prompt)], device=device_of(model))
    cache: Any = None
    with torch.no_grad():
        while len(tokens) < new_tokens and (not tokens or tokens[-1] not in stop):
            output = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
            step, cache = output.logits[:, -1:].argmax(-1), output.past_key_values
            tokens.append(int(step))
            after_token(len(tokens))
    return tokens


def generate_greedy_batch(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    stop: set[int],
    after_token: Callable[[int], None] = lambda _: None,
) -> list[list[int]]:
    """The answers that `generate_greedy` gives to each of `prompts`, computed side by side.

    Shorter prompts are padded on the left, and the padding is masked. `after_token` is told how many tokens
    the longest answer has, and may raise to break off.
    """
    width, device = max(map(len, prompts)), device_of(model)
    padding = [width - len(prompt) for prompt in prompts]
    step = torch.tensor([[0] * pad + list(p) for pad, p in zip(padding, prompts, strict=True)], device=device)
    real = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding], device=device)
    positions = (real.cumsum(-1) - 1).clamp_min(0)
    answers: list[list[int]] = [[] for _ in prompts]
    cache: Any = None
    with torch.no_grad():
        for count in range(1, new_tokens + 1):
            output = model(
                input_ids=step,
                attention_mask=real,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            step, cache = output.logits[:, -1:].argmax(-1), output.past_key_values
            for answer, token in zip(answers, step[:, 0].tolist(), strict=True):
                if not answer or answer[-1] not in stop:
                    answer.append(token)
            after_token(count)
            if all(answer[-1] in stop for answer in answers):
                break
            real = torch.cat([real, torch.ones_like(step)], dim=1)
            positions = positions[:, -1:] + 1
    return answers


def generation_states(model: nn.Module, prompt: Sequence[int], tokens: Sequence[int]) -> torch.Tensor:
    """What the head sees where each of `tokens` is predicted, reading this very text: [tokens, hidden]."""
    with torch.no_grad():
        states = hidden_states(model, torch.tensor([[*prompt, *tokens]]))
    return states[0, len(prompt) - 1 : -1]


def kl_by_token(head: Head, dense: torch.Tensor, pruned: torch.Tensor) -> list[float]:
    """KL(dense ‖ pruned) in nats at each token, from hidden states [tokens, hidden] of both."""
    values: list[float] = []
    with torch.no_grad():
        for old, new in zip(dense.split(CHUNK), pruned.split(CHUNK), strict=True):
            logs = (torch.log_softmax(head(part).float(), -1) for part in (old, new))
            values += token_kl(*logs).clamp_min(0).tolist()
    return values


def first_difference(left: Sequence[int], right: Sequence[int]) -> int | None:
    """The first place where two answers part; None where they are the same to the end."""
    for place, pair in enumerate(zip(left, right, strict=False)):
        if pair[0] != pair[1]:
            return place
    return None if len(left) == len(right) else min(len(left), len(right))


def token_texts(tokenizer: Any, tokens: Sequence[int]) -> list[str]:
    """The text that each token adds; together they are the whole text.

    A character made of several tokens belongs to the last of them, and a token that stands for no text
    (such as the end of the answer) adds "".
    """

    def read(part: Sequence[int]) -> str:
        text = tokenizer.decode(part, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    # Some tokenizers drop the space before the first word: so each token is read behind an earlier one.
    texts: list[str] = []
    start = done = 0
    for place in range(len(tokens)):
        before, text = read(tokens[start:done]), read(tokens[start : place + 1])
        whole = not text.endswith("\N{REPLACEMENT CHARACTER}") or place == len(tokens) - 1
        texts.append(text[len(before) :] if whole else "")
        if whole:
            start, done = done, place + 1
    return texts
