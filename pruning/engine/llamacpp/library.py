"""The C interface of llama.cpp, as the shared library of the package xllamacpp carries it.

The package's own interface serves text; scores of every position and timing need the C functions beneath.
Only the child process loads them: the library ends its process where it finds a file wrong.
"""

import ctypes
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pruning.planning.exports.llamacpp import PACKAGE

# What n_ctx, n_batch, n_ubatch and n_seq_max are before they are set: proof that they stand where we think.
_DEFAULTS = (512, 2048, 512, 1)
_ROOM = 4096


class Parameters(ctypes.Structure):
    """Parameters of a model or context. Their layout changes with versions: only the first four numbers of
    the context's are touched, which have stood there for years; the rest stays as the library filled it."""

    _fields_ = (("numbers", c_uint32 * 4), ("rest", ctypes.c_ubyte * (_ROOM - 16)))


# In words of 4 bytes from the beginning of a context's parameters: flash attention behind three other enums;
# behind two pointers that are not set, the number formats in which keys and values are kept.
_ENUMS, _POINTERS, _KEPT = slice(10, 14), slice(22, 26), slice(26, 28)
_UNSET, _F32, _F16 = -1, 0, 1


def keep_all_digits(parameters: Parameters) -> bool:
    """Have keys and values kept in float32 in place of float16, and attention computed without shortcuts.

    Only where the parameters hold what they are expected to where this is said: in another version, whose
    layout differs, nothing is touched and the answer is False.
    """
    words = ctypes.cast(ctypes.byref(parameters), POINTER(c_int32))
    if words[_ENUMS] != [_UNSET] * 4 or any(words[_POINTERS]) or words[_KEPT] != [_F16] * 2:
        return False
    words[_ENUMS.stop - 1] = words[_KEPT.start] = words[_KEPT.stop - 1] = _F32
    return True


class Batch(ctypes.Structure):
    """Tokens for one pass; with no positions and no sequences they follow those that were read before."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", c_void_p),
        ("pos", c_void_p),
        ("n_seq_id", c_void_p),
        ("seq_id", c_void_p),
        ("logits", POINTER(c_int8)),
    )


LOG = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_backend_init": (None, ()),
    "llama_log_set": (None, (LOG, c_void_p)),
    "llama_model_default_params": (Parameters, ()),
    "llama_context_default_params": (Parameters, ()),
    "llama_model_load_from_file": (c_void_p, (c_char_p, Parameters)),
    "llama_init_from_model": (c_void_p, (c_void_p, Parameters)),
    "llama_free": (None, (c_void_p,)),
    "llama_model_free": (None, (c_void_p,)),
    "llama_model_get_vocab": (c_void_p, (c_void_p,)),
    "llama_vocab_n_tokens": (c_int32, (c_void_p,)),
    "llama_tokenize": (
        c_int32,
        (c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool),
    ),
    "llama_n_ctx": (c_uint32, (c_void_p,)),
    "llama_n_batch": (c_uint32, (c_void_p,)),
    "llama_set_n_threads": (None, (c_void_p, c_int32, c_int32)),
    "llama_get_memory": (c_void_p, (c_void_p,)),
    "llama_memory_clear": (None, (c_void_p, c_bool)),
    "llama_memory_seq_rm": (c_bool, (c_void_p, c_int32, c_int32, c_int32)),
    "llama_decode": (c_int32, (c_void_p, Batch)),
    "llama_synchronize": (None, (c_void_p,)),
    "llama_get_logits_ith": (POINTER(c_float), (c_void_p, c_int32)),
    "llama_print_system_info": (c_char_p, ()),
    "ggml_row_size": (c_size_t, (c_int, c_int64)),
    "ggml_quantize_chunk": (
        c_size_t,
        (c_int, POINTER(c_float), c_void_p, c_int64, c_int64, c_int64, c_void_p),
    ),
}


def library_file() -> Path | None:
    """The shared library of the installed package; None where there is none. Nothing is imported."""
    spec = find_spec(PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [
        path
        for folder in folders
        for pattern in ("*.so", "*.pyd", "*.dylib")
        for path in folder.glob(PACKAGE + pattern)
    ]
    return files[0] if files else None


def open_library() -> ctypes.CDLL:
    """The library with the types of its functions set. Raises OSError for one that is not as expected."""
    path = library_file()
    if path is None:
        raise OSError(f"the package {PACKAGE} is not installed")
    library = ctypes.CDLL(str(path))
    try:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise OSError(f"this version of {PACKAGE} lacks a function ({error})") from None
    if tuple(library.llama_context_default_params().numbers) != _DEFAULTS:
        raise OSError(f"this version of {PACKAGE} has other parameters than expected")
    library.llama_backend_init()
    return library
