"""Opening a GGUF file that was written here, as the model that it was made of.

llama.cpp's architectures with widths by layer are read by nothing else, and what a tokenizer is made of is
lost in the keys that llama.cpp reads: the file carries the configuration and the tokenizer's files as well.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from pruning.engine.models.gguf.layout import layout_of
from pruning.engine.models.gguf.tensors import stored_tensors
from pruning.engine.models.gguf.values import WrittenTensors
from pruning.engine.models.per_layer import per_layer_class
from pruning.errors import PruningError
from pruning.files import parse_json
from pruning.model_files.gguf_header import OWN_CONFIG, Gguf

FILES, TOKENIZER_JSON = "prunescope.tokenizer", "tokenizer.huggingface.json"
_ENDINGS = (".json", ".jinja", ".txt")


def own_model(source: Path, header: Gguf) -> Any:
    """The model of a file that was written here, in float32.

    Raises PruningError for a file whose tensors are not what its configuration says.
    """
    said: dict[str, Any] = parse_json(header.metadata[OWN_CONFIG])
    said.pop("auto_map", None)
    config = AutoConfig.for_model(**said)
    family = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    if config.get_text_config().is_heterogeneous:
        family = per_layer_class(family)
    with torch.device("meta"):
        shapes = family(config)
    shapes.tie_weights()
    tensors = stored_tensors(shapes, layout_of(shapes))
    if {tensor.name: tensor.shape[::-1] for tensor in tensors}.items() - header.shapes.items():
        raise PruningError(f"{source} does not hold the tensors that it says. Write or fetch it again.")
    written = WrittenTensors(source)
    weights = {
        name: load()
        for tensor in tensors
        for name, load in written.loads(tensor, shapes.get_parameter).items()
    }
    return family.from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)


def write_own_tokenizer(header: Gguf, folder: Path) -> None:
    """Write the files of the tokenizer, and the generation configuration, that the file carries."""
    try:
        files: dict[str, Any] = {"tokenizer.json": header.metadata[TOKENIZER_JSON]}
        files.update(parse_json(header.metadata[FILES]))
        for name, text in files.items():
            # Others may have made the file: nothing leaves the folder, and the configuration stays.
            if Path(name).name == name and name.endswith(_ENDINGS) and name != "config.json":
                (folder / name).write_text(text, encoding="utf-8")
    except (KeyError, TypeError, ValueError) as error:
        raise PruningError(
            f"The tokenizer's files in the GGUF file cannot be read ({error}). Fetch it again."
        ) from None
