"""One number for all weights of a written folder: the same wherever every bit is the same."""

from hashlib import sha256
from pathlib import Path

from safetensors import safe_open

from pruning.engine.export.folder import bits


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names, shapes and bits of all tensors of a folder's safetensors files."""
    places: dict[str, Path] = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            places |= dict.fromkeys(file.keys(), path)
    digest = sha256()
    for name, path in sorted(places.items()):
        with safe_open(path, "pt") as file:
            tensor = file.get_tensor(name)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(bits(tensor).numpy().tobytes())
    return digest.hexdigest()
