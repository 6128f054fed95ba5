"""Files and links that would run something when they are opened: nothing runs before somebody says yes."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.torture.basis import ready
from tests.torture.commands import complaint, here
from tests.torture.forked import forked
from tests.torture.inputs.mutate import Basis, Words, linked
from tests.torture.table import Row, Run

CODE = "from pathlib import Path\nPath({marker!r}).write_text('it ran')\n"


class Opened:
    """What runs where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, (CODE.format(marker=str(self.marker)),)


def rows(run: Run) -> Iterator[Row]:
    """One row for files, one for links."""
    with ready(run) as basis:
        yield _files(run, basis)
        yield _links()


def _files(run: Run, basis: Basis) -> Row:
    losses, worst = [], 0.0
    for name, make in PAYLOADS.items():
        folder = run.folder(name)
        marker = folder / "it-ran"
        ended = forked(_opening(make(folder, marker, basis)), folder / "log")
        losses += [f"{name}: {ended.lost}"] if ended.lost else []
        losses += [f"{name}: it ran"] if marker.exists() else []
        worst = max(worst, ended.seconds)
    return Row("files that would run when they are opened", len(PAYLOADS), losses, worst)


def _opening(commands: list[Words]) -> Callable[[], str]:
    def work() -> str:
        for words in commands:
            code, said = here(words)
            print(said, flush=True)
            wrong = complaint(code, said)
            assert not wrong, wrong
        return "done"

    return work


def _pickled(folder: Path, marker: Path, basis: Basis) -> list[Words]:
    model = linked(basis, folder)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    (model / "pytorch_model.bin").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Opened(marker)))
    # Even the yes to pickled weights is none to whatever a pickle holds.
    return [["inspect", str(model)], ["inspect", str(model), "--allow-pickle"]]


def _own_code(folder: Path, marker: Path, basis: Basis) -> list[Words]:
    model = linked(basis, folder)
    config = json.loads((model / "config.json").read_text())
    named = {
        "AutoConfig": "own.Config",
        "AutoModelForCausalLM": "own.Model",
        "AutoTokenizer": ["own.T", None],
    }
    for file, content in (
        ("config.json", {**config, "auto_map": named, "model_type": "own"}),
        ("tokenizer_config.json", {"auto_map": named, "tokenizer_class": "Own"}),
    ):
        (model / file).unlink()
        (model / file).write_text(json.dumps(content))
    (model / "own.py").write_text(CODE.format(marker=str(marker)))
    return [["inspect", str(model)], ["text", str(model), "--data", str(basis.text)]]


def _recipe(folder: Path, marker: Path, basis: Basis) -> list[Words]:
    path, words = folder / "recipe.yaml", f"touch {marker}"
    tag = f"!!python/object/apply:os.system ['{words}']"
    path.write_text(basis.recipe.read_text() + f"notes: {tag}\n")
    other = folder / "other.yaml"
    other.write_text(f"stage: {{SparseGPTModifier: {{sparsity: 0.5, targets: {tag}}}}}\n")
    out = ["--out", str(folder / "out.yaml")]
    return [["check", str(basis.model), str(path)], ["import", str(basis.model), str(other), *out]]


def _template(folder: Path, marker: Path, basis: Basis) -> list[Words]:
    model = linked(basis, folder)
    path = model / "tokenizer_config.json"
    reach = "{{ cycler.__init__.__globals__.os.system('touch " + str(marker) + "') }}"
    said = {**json.loads(path.read_text()), "chat_template": reach}
    path.unlink()
    path.write_text(json.dumps(said))
    chats = folder / "chats.jsonl"
    turn = {"messages": [{"role": "user", "content": "How far is it from here to the river?"}]}
    chats.write_text("\n".join(json.dumps({**turn, "n": n}) for n in range(9)))
    return [["text", str(model), "--data", str(chats)]]


def _workspace(folder: Path, marker: Path, basis: Basis) -> list[Words]:
    """A recovery's state that somebody else put into the workspace; it is read, and nothing in it is run."""
    import torch

    from pruning.engine.recovery.checkpoints import load_state

    path = folder / "state.resume.pt"
    torch.save({"step": Opened(marker)}, path)
    assert load_state(path) is None
    return []


PAYLOADS: dict[str, Callable[[Path, Path, Basis], list[Words]]] = {
    "pickled-weights": _pickled,
    "code-beside-a-model": _own_code,
    "tags-in-yaml": _recipe,
    "chat-template": _template,
    "state-of-a-recovery": _workspace,
}


def _links() -> Row:
    """A link from somebody else switches on nothing that runs code."""
    from pruning.ui.data.session import from_address

    yes = ["true", "1", "True", "on"]
    given = dict.fromkeys(("trust_remote_code", "allow_pickle", "trust-remote-code", "--allow-pickle"), yes)
    choice = from_address({**given, "model": ["somebody/else"]})
    lost = ["a link allowed code to run"] if choice.trust_remote_code or choice.allow_pickle else []
    return Row("links that would allow code to run", len(given), lost)
