"""What the writers must know of a model before it is loaded, from its files. No weights are read."""

from pruning.errors import PruningError
from pruning.files import read_json
from pruning.model_files.checkpoint import demo_folder, local_path
from pruning.model_files.gguf_header import gguf_header
from pruning.planning.exports.model_facts import ModelFacts, of_config, of_gguf


def facts_of(reference: str) -> ModelFacts:
    """The facts of `demo`, a folder, a GGUF file or a hub id.

    Raises
    ------
    PruningError
        For a model that is not there, and for a family that is not in the table.
    """
    path = demo_folder() if reference == "demo" else local_path(reference)
    if path is not None and path.suffix == ".gguf":
        return of_gguf(gguf_header(path))
    if path is None:
        from pruning.model_files import hub  # a third of a second, which folders and files need not wait for

        config = hub.configuration(reference)
    else:
        config = path / "config.json"
    try:
        return of_config(read_json(config))
    except FileNotFoundError:
        hint = "Fetch it with `prunescope demo`." if reference == "demo" else "Check the path."
        raise PruningError(f"There is no {config}, so nothing is known of the model. {hint}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise PruningError(f"{config} cannot be read ({error}). Fetch the model again.") from None
