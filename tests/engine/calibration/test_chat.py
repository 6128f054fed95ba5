"""Conversations as the model reads them, and what a text looks like before it is used."""

import json
from pathlib import Path
from typing import Any

import pytest

from pruning.data_files.fields import Document
from pruning.engine.calibration.chat import rendered
from pruning.engine.calibration.preview import preview
from pruning.errors import PruningError
from tests.support.tiny import tiny_tokenizer

TEMPLATE = "{% for turn in messages %}<s>{{ turn.role }}|{{ turn.content }}</s>{% endfor %}"
STRICT = "{% if messages[0].role != 'user' %}{{ raise_exception('user first') }}{% endif %}" + TEMPLATE


def chat(*roles: str) -> Document:
    return Document(turns=tuple({"role": role, "content": f"Words of {role}."} for role in roles))


def tokenizer(template: str | None = None) -> Any:
    made = tiny_tokenizer()
    made.chat_template = template
    return made


def test_conversations_go_through_the_chat_template() -> None:
    texts = rendered(tokenizer(TEMPLATE), [chat("user", "assistant"), Document("Text.")])
    assert texts == ["<s>user|Words of user.</s><s>assistant|Words of assistant.</s>", "Text."]
    ids = tokenizer(TEMPLATE)(texts[0], add_special_tokens=False)["input_ids"]
    assert [ids.count(special) for special in (1, 2)] == [2, 2]


def test_without_a_template_turns_are_lines() -> None:
    assert rendered(tokenizer(), [chat("user", "assistant")]) == [
        "user: Words of user.\nassistant: Words of assistant."
    ]


def test_what_the_template_refuses_is_left_out_and_counted(tmp_path: Path) -> None:
    refusing = tokenizer(STRICT)
    assert len(rendered(refusing, [chat("user"), chat("system"), Document("Text.")])) == 2
    with pytest.raises(PruningError, match="every one of 2 conversations: user first"):
        rendered(refusing, [chat("system"), chat("assistant")])
    rows = [
        {"messages": [{"role": "user" if n % 4 else "system", "content": f"Row {n} says this. " * 40}]}
        for n in range(16)
    ]
    path = tmp_path / "chat.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found, windows = preview(refusing, str(path))
    (source,) = found["sources"]
    assert (source["refused"], source["conversations"], source["fields"]) == (4, 16, {"messages": 16})
    assert source["calibration_documents"] + source["evaluation_documents"] == 12
    assert found["chat_template"]
    assert found["calibration_tokens"] == windows.calibration.numel()


def test_a_preview_shows_three_samples_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    rows = [{"question": f"What is {n}? " * 60, "answer": "A number."} for n in range(20)]
    path.write_text("\n".join(map(json.dumps, rows)))
    found, _ = preview(tokenizer(TEMPLATE), str(path))
    samples = found["samples"]
    assert len(samples) == 3
    assert len({sample["text"] for sample in samples}) == 3
    assert all(sample["text"].startswith("<s>user|What is ") for sample in samples)
    mixed, _ = preview(tokenizer(TEMPLATE), f"demo:0.9,{path}:0.1")
    assert [sample["source"] for sample in mixed["samples"]] == ["demo", "demo", str(path)]
    assert [round(row["share"], 6) for row in mixed["sources"]] == [0.9, 0.1]
    assert sum(row["calibration_tokens"] for row in mixed["sources"]) > 4096
