"""The text on the Model page: looked at on request, what was left out, samples as they are read."""

from pathlib import Path

from pruning.ui.data import received
from pruning.ui.model import text_preview
from pruning.workspace import results
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.ui.conftest import Open, text_of

SOURCE = {
    "name": "chat.jsonl", "share": 1.0, "rows": 20, "duplicates": 2, "near_empty": 1, "unread": 0,
    "refused": 0, "cut": False, "fields": {"messages": 17}, "conversations": 17, "calibration_documents": 9,
    "evaluation_documents": 8, "calibration_tokens": 5000, "evaluation_tokens": 4000,
}  # fmt: skip


def put(store: Store, data: str, template: bool = True) -> None:
    """A look at a text, as the task keeps it."""
    value = {
        "sources": [SOURCE],
        "samples": [
            {"source": "chat.jsonl", "text": f"<|user|>Question {n}", "cut": n == 2} for n in range(3)
        ],
        "chat_template": template,
        "calibration_tokens": 4096,
        "evaluation_tokens": 3840,
        "data_fingerprint": "d",
    }
    results.put_text(store, results.Subject(synthetic.FINGERPRINT, data, "d"), None)
    store.put("text_preview", {"fingerprint": synthetic.FINGERPRINT, "data": data}, value)


def test_a_text_is_looked_at_on_request(store: Store, asked: list[dict], open_page: Open) -> None:
    synthetic.put_model(store)
    app = open_page("model", model="demo", data="chat.jsonl")
    assert "Look at it first" in text_of(app)
    next(one for one in app.button if one.label == "Look at the text").click().run()
    assert [(one["task"], one["arguments"]) for one in asked] == [("text", {"data": "chat.jsonl"})]


def test_what_was_read_is_shown_with_samples(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    put(store, "chat.jsonl")
    app = open_page("model", model="demo", data="chat.jsonl")
    (row,) = app.dataframe[0].value.to_dict("records")
    assert (row["Documents"], row["Tokens"], row["Fields"]) == (17, 9000, "messages")
    assert row["Left out"] == "2 duplicates, 1 nearly empty"
    samples = ["<|user|>Question 0", "<|user|>Question 1", "<|user|>Question 2 …"]
    assert [one.value for one in app.code if "Question" in one.value] == samples
    assert "3 samples, as the model reads them" in text_of(app)
    assert "the model's own chat template" in text_of(app)


def test_a_model_without_a_chat_template_is_said(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    put(store, "chat.jsonl", template=False)
    assert "has no chat template" in text_of(open_page("model", model="demo", data="chat.jsonl"))


def test_a_look_at_a_file_that_changed_since_is_not_shown(
    store: Store, open_page: Open, tmp_path: Path
) -> None:
    synthetic.put_model(store)
    path = tmp_path / "chat.jsonl"
    path.write_text("{}")
    put(store, str(path))
    assert "Look at it first" in text_of(open_page("model", model="demo", data=str(path)))


def test_names_of_texts_are_short() -> None:
    assert text_preview._short("/home/me/a_b.txt:1, c.jsonl:1") == r"a\_b\.txt\:1, c\.jsonl\:1"


def test_what_was_pruned_before_is_said_and_nothing_of_a_dense_model(store: Store, open_page: Open) -> None:
    synthetic.put_model(store)
    assert not open_page("model", model="demo").info
    row, said = store.find("inspect")[0], ["50 % of the weights in up are zero."]
    store.put("inspect", row["key"], {**row["value"], "pruned_before": said})
    (info,) = open_page("model", model="demo").info
    assert "It has been pruned before" in info.value
    assert "50 % of the weights in up are zero" in info.value


def test_dropped_files_become_the_text_and_stay_in_the_workspace(
    store: Store, asked: list[dict], open_page: Open
) -> None:
    synthetic.put_model(store)
    app = open_page("model", model="demo")
    files = [("../my chat,1.jsonl", b'{"text": "a"}\n', ""), ("wiki.txt", b"words", "")]
    app.file_uploader(key=text_preview.FILES).set_value(files).run()
    assert not app.exception
    (request,) = [one for one in asked if one["task"] == "text"]
    paths = [Path(part) for part in request["arguments"]["data"].split(",")]
    assert [path.name for path in paths] == ["my_chat_1.jsonl", "wiki.txt"]
    assert [path.read_bytes() for path in paths] == [b'{"text": "a"}\n', b"words"]
    assert all(path.is_relative_to(store.root / received.FOLDER) for path in paths)
    assert app.query_params["data"] == request["arguments"]["data"]
    next(one for one in app.button if one.label == "Back to the demo's text").click().run()
    assert "data" not in app.query_params


def test_a_received_file_never_takes_anothers_place(store: Store) -> None:
    first, second = received.keep("a.txt", b"one"), received.keep("a.txt", b"two")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")
    assert received.keep("a.txt", b"one") == first
    names = ["..", "CON", "/etc/passwd", "x" * 300 + ".txt", "…"]
    kept = [received.keep(name, name.encode()) for name in names]
    assert all(path.is_relative_to(store.root) for path in kept)
    assert [path.name for path in kept[2:]] == ["etc_passwd", "x" * 56 + ".txt", "file"]
