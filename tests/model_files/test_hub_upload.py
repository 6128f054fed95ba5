"""Uploading an exported folder: in one commit, under the user's own login, and only what may be told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_upload_hub import TOKEN, Taken, fake_upload_hub

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As an export leaves it, as far as the upload is concerned."""
    made = tmp_path / "demo-half"
    made.mkdir()
    (made / "recipe.yaml").write_text("model:\n  reference: demo\ndata:\n  name: demo\n")
    (made / "README.md").write_text(
        "# demo-half\n\ndemo, with 50 % of the weights set to zero, see https://a.b/c/d\n"
    )
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return made


def pushed(hub: Taken, folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process whose hub is the stand-in, as that is read at import."""
    settings = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder.parent / "hf"),
        "PRUNESCOPE_HOME": str(folder.parent / "prunescope"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-m", "pruning", "push", str(folder), *(words or ("ann/half",))],
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_a_folder_is_uploaded_whole_and_private(folder: Path) -> None:
    with fake_upload_hub() as hub:
        done = pushed(hub, folder)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.strip().splitlines()[-1])
        assert result == {
            "url": f"{hub.address}/ann/half",
            "files": 4,
            "bytes": sum(path.stat().st_size for path in folder.iterdir()),
            "private": True,
        }
        given = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert hub.files["ann/half"] == {".gitattributes": b"", **given}
        assert hub.private == {"ann/half": True}
        assert hub.commits == 1
        again = pushed(hub, folder)
        assert again.returncode == 1
        assert "on the hub already" in again.stderr
        assert hub.commits == 1
        assert pushed(hub, folder, "ann/open", "--public").returncode == 0
        assert hub.private["ann/open"] is False


def test_what_goes_wrong_is_said_and_can_be_tried_again(folder: Path) -> None:
    with fake_upload_hub(fails=True) as hub:
        done = pushed(hub, folder)
        assert done.returncode == 1
        assert "was not uploaded" in done.stderr
        assert hub.files["ann/half"] == {".gitattributes": b""}
        stranger = pushed(hub, folder, HF_TOKEN="hf_of_nobody")
        assert "hf auth login" in stranger.stderr
        assert "is not a name" in pushed(hub, folder, "a b/c?").stderr
    offline = pushed(hub, folder, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in offline.stderr
    gone = pushed(hub, folder)
    assert gone.returncode == 1
    assert "Traceback" not in gone.stderr
    assert "was not uploaded" in gone.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("recipe.yaml", "model:\n  reference: /home/ann/models/tiny\n", "/home/ann/models/tiny"),
        ("recipe.yaml", "data:\n  name: ~/texts/own.txt\n", "~/texts/own.txt"),
        ("recipe.yaml", "data:\n  name: C:\\texts\\own.txt\n", "C:\\texts\\own.txt"),
        ("README.md", "# x\n\n/srv/models/own, with 50 % of the weights\n", "/srv/models/own"),
    ],
)
def test_paths_of_this_machine_are_not_given_away(folder: Path, name: str, text: str, said: str) -> None:
    from pruning.errors import PruningError
    from pruning.model_files.hub_upload import push

    (folder / name).write_text(text)
    with pytest.raises(PruningError, match="a path of this machine") as caught:
        push(folder, "ann/half")
    assert said in str(caught.value)


def test_only_exports_without_pickles_are_uploaded(folder: Path) -> None:
    from pruning.errors import PruningError
    from pruning.model_files.hub_upload import push

    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(PruningError, match="pickles"):
        push(folder, "ann/half")
    (folder / "recipe.yaml").unlink()
    with pytest.raises(PruningError, match="was not written by"):
        push(folder, "ann/half")
