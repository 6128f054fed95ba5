"""Putting an exported folder on the hub, with the user's own login; only ever when it is asked for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

from pruning.errors import Cancelled, PruningError
from pruning.model_files.checkpoint import PICKLE_NAME
from pruning.progress import Progress, silent

RECIPE, CARD = "recipe.yaml", "README.md"
# Two names or more behind a slash that no word, address or tag stands before.
LOCAL_PATH = re.compile(r"(?<![\w/:.<])~?(?:/[\w.@-]+){2,}|\b[A-Za-z]:\\\S+")
# What the hub puts into a new repository by itself.
OF_THE_HUB = {".gitattributes"}
UNAUTHORIZED, FORBIDDEN = 401, 403
LOGIN = "Log in with `hf auth login`, or set HF_TOKEN to a token that may write, and try again."


@dataclass(frozen=True)
class Pushed:
    """Where the folder is now, its files, their bytes, and whether only the user sees it."""

    url: str
    files: int
    bytes: int
    private: bool


def push(folder: Path, name: str, public: bool = False, progress: Progress = silent) -> Pushed:
    """Upload an exported folder as a new hub model `name` ("you/model"), in one commit: whole or not at all.

    Raises
    ------
    PruningError
        The folder was not written by an export, holds pickles, or tells of this machine's paths; nobody is
        logged in; the model is there already with files of its own; or the hub cannot be reached.
    """
    files = _files(folder)
    if constants.is_offline_mode():
        raise PruningError("Nothing was uploaded, because HF_HUB_OFFLINE is set. Unset it.")
    api = HfApi()
    with _explained(name):
        progress(0, 1, "Asking the hub who you are")
        api.whoami()
        url = str(api.create_repo(name, private=not public, exist_ok=True))
        if set(api.list_repo_files(name)) - OF_THE_HUB:
            raise PruningError(f"{name} is on the hub already, with files in it. Choose another name.")
        progress(0, 1, f"Uploading {folder.name} to {name}")
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            allow_patterns=[path.name for path in files],
            commit_message=f"{folder.name}, pruned with Prunescope",
        )
        progress(1, 1, "Uploaded")
    size = sum(path.stat().st_size for path in files)
    return Pushed(url, len(files), size, not public)


def _files(folder: Path) -> list[Path]:
    """The folder's files, once nothing speaks against giving them away."""
    if not (folder / RECIPE).is_file():
        raise PruningError(f"{folder} was not written by `prunescope export`: it has no {RECIPE}.")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    pickles = [path.name for path in files if PICKLE_NAME.fullmatch(path.name)]
    if pickles:
        raise PruningError(
            f"{folder} holds pickles ({pickles[0]}), which can run code. They are not uploaded."
        )
    for path in (folder / name for name in (RECIPE, CARD) if (folder / name).is_file()):
        told = LOCAL_PATH.search(path.read_text(encoding="utf-8", errors="replace"))
        if told:
            raise PruningError(
                f"{path.name} tells of {told[0]}, a path of this machine, and everybody could read it. Put a "
                f"hub id or a public name in its place ({RECIPE} and {CARD}), and try again."
            )
    return files


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """The hub's errors as PruningErrors that say what to do."""
    try:
        yield
    except (PruningError, Cancelled):
        raise
    except LocalTokenNotFoundError:
        raise PruningError(f"You are not logged in to the hub. {LOGIN}") from None
    except HFValidationError:
        raise PruningError(f'"{name}" is not a name for a hub model. Give one like you/demo-half.') from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        if status in (UNAUTHORIZED, FORBIDDEN):
            raise PruningError(f"The hub does not let you write {name}. {LOGIN}") from None
        raise PruningError(_failed(name, error)) from None
    except Exception as error:  # the library's transport has exceptions of its own, which change with it
        raise PruningError(_failed(name, error)) from None


def _failed(name: str, error: Exception) -> str:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"{name} was not uploaded ({first}). Nothing of the folder is on the hub; check the connection and "
        "try again."
    )
