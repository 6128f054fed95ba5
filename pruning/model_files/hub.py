"""Models on the hub: what they are, and fetching them, without waiting long for one that does not answer."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from tqdm import tqdm

from pruning.errors import Cancelled, PruningError
from pruning.model_files.checkpoint import PICKLE_NAME, SAFETENSORS_NAME, TOKENIZER_FILES, read_folder
from pruning.progress import Progress, silent, stage

PATIENCE = 6.0  # seconds without an answer after which the hub counts as unreachable


@dataclass(frozen=True)
class HubModel:
    """What the hub says of a model: its revision, files with sizes in bytes, and its configuration."""

    name: str
    revision: str
    files: dict[str, int]
    architecture: str | None
    parameters: int | None

    @property
    def weights(self) -> list[str]:
        """The safetensors files, or the pickled ones where there are no others."""
        return [name for name in self.files if SAFETENSORS_NAME.fullmatch(name)] or self.pickles

    @property
    def tokenizer(self) -> bool:
        """Whether there are tokenizer files."""
        return any(name in self.files for name in TOKENIZER_FILES)

    @property
    def pickles(self) -> list[str]:
        """The weight files that are pickles, which can run code when they are read."""
        return [name for name in self.files if PICKLE_NAME.fullmatch(name)]


def describe(name: str) -> HubModel:
    """Ask the hub about the model `name`. Raises PruningError when there is none, or no hub in reach."""
    if constants.is_offline_mode():
        raise PruningError(f"{name} was not looked up on the hub, because HF_HUB_OFFLINE is set. Unset it.")
    try:
        info = HfApi().model_info(name, files_metadata=True, timeout=PATIENCE)
    except (GatedRepoError, RepositoryNotFoundError, HFValidationError, HfHubHTTPError) as error:
        raise PruningError(_refused(name, error)) from None
    except Exception as error:  # the library's transport has exceptions of its own, which change with it
        raise PruningError(_unreachable(name, error)) from None
    config = info.config or {}
    return HubModel(
        name=name,
        revision=info.sha or "main",
        files={file.rfilename: file.size or 0 for file in info.siblings or []},
        architecture=next(iter(config.get("architectures") or []), None),
        parameters=info.safetensors.total if info.safetensors else None,
    )


def cached(name: str) -> Path | None:
    """The newest whole copy of the model `name` in the hub's own cache on this machine, if there is one."""
    snapshots = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model") / "snapshots"
    folders = sorted(snapshots.glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    return next((folder for folder in folders if _whole(folder)), None)


def _whole(folder: Path) -> bool:
    try:
        return bool(read_folder(folder).weights)
    except PruningError:
        return False


def configuration(name: str) -> Path:
    """The file config.json of the model `name`: in the hub's own cache, or else fetched into it.

    Raises PruningError when there is none, or no hub in reach.
    """
    folder = cached(name)
    if folder is not None:
        return folder / "config.json"
    model = describe(name)
    try:
        return Path(hf_hub_download(name, "config.json", revision=model.revision, etag_timeout=PATIENCE))
    except Exception as error:  # the library's transport has exceptions of its own, which change with it
        raise PruningError(_unreachable(name, error)) from None


def fetch(
    model: HubModel,
    into: Path | None = None,
    code: bool = False,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> Path:
    """Download configuration, tokenizer and weights of a hub model, and return their folder.

    The folder is `into`, or the hub's own cache, where what is there already is not fetched again. With
    `code`, Python files come too. Raises PruningError when the download fails, and for models without
    safetensors unless `allow_pickle`.
    """
    name = model.name
    if not model.weights:
        raise PruningError(no_weights(name))
    if model.weights == model.pickles and not allow_pickle:
        raise PruningError(pickle_refusal(name))
    names = [*_small_files(model.files, code), *model.weights]
    heard = stage(progress, "fetch", f"Fetching {name}")
    total, done, path = sum(model.files[file] for file in names), 0, ""
    for file in names:
        bar = _bar(heard, done, total, f"Fetching {file} of {name}")
        try:
            path = hf_hub_download(
                name, file, revision=model.revision, local_dir=into, tqdm_class=bar, etag_timeout=PATIENCE
            )
        except Cancelled:
            raise
        except (GatedRepoError, HfHubHTTPError) as error:
            raise PruningError(_refused(name, error)) from None
        except Exception as error:  # transport errors, and a full disk
            raise PruningError(
                f"{file} of {name} could not be fetched ({_first_line(error)}). What has arrived is kept: "
                "check the connection and the free disk space, then try again."
            ) from None
        done += model.files[file]
    return Path(path).parent


def no_weights(name: str) -> str:
    """Why a hub model without weights that we read cannot be loaded."""
    return f"{name} has no safetensors weights on the hub. Choose another model, or fetch a GGUF file of it."


def pickle_refusal(name: object) -> str:
    """Why pickled weights are not read, and how to allow it."""
    return (
        f"{name} has its weights only as pickle (.bin), which can run any code when it is read. If you trust "
        "where it comes from, allow it: --allow-pickle on the command line, or allow_pickle=True."
    )


def _small_files(names: Iterable[str], code: bool) -> list[str]:
    """Everything at the top of the repository that is neither weights nor documentation."""
    endings = (".json", ".txt", ".model", ".jinja", ".tiktoken", *((".py",) if code else ()))
    return [name for name in names if "/" not in name and (name.endswith(endings) or name in TOKENIZER_FILES)]


def _bar(progress: Progress, before: int, total: int, note: str) -> type[tqdm]:
    class Bar(tqdm):  # the only way in which the library reports bytes
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.update(file=io.StringIO(), disable=False)
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress(min(before + self.n, total), total, note)
            return shown

    return Bar


def _refused(name: str, error: Exception) -> str:
    if isinstance(error, GatedRepoError):
        return f"{name} is gated: accept its terms on the hub, log in with `hf auth login`, and try again."
    if isinstance(error, (RepositoryNotFoundError, HFValidationError)):
        return (
            f"There is no folder named {name}, and no such model on the hub that you can see. Check the "
            "spelling; for a private model log in with `hf auth login`."
        )
    return f"The hub answered the request for {name} with an error ({_first_line(error)}). Try again later."


def _unreachable(name: str, error: Exception) -> str:
    return (
        f"The hub could not be reached to look up {name} ({_first_line(error)}). Check the connection, or "
        "give a folder or a GGUF file instead."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
