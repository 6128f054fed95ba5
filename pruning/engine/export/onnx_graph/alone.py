"""What a process of its own does with a written graph: run it in onnxruntime, without torch or Prunescope.

Run as a script it reads requests from standard input and answers each, a line of JSON for a line. It imports
nothing of this package.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the graph of `folder`.

    Parameters
    ----------
    request
        `folder`; `threads`; `sample`, an .npz file with token windows `ids` [n, length], which is replaced by
        one with logits [n, length, vocabulary]: `prefill`, of whole windows at once, and `decode`, of their
        first half and then a token at a time with the cache.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    path = str(Path(request["folder"]) / "model.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    with np.load(request["sample"]) as sample:
        ids = sample["ids"]
    length = ids.shape[1]
    whole = read(session, ids, [length])
    tokens = read(session, ids, [length // 2, *[1] * (length - length // 2)])
    np.savez(request["sample"], prefill=whole, decode=tokens)
    return {"inputs": [given.name for given in session.get_inputs()]}


def read(session: Any, ids: np.ndarray, steps: list[int]) -> np.ndarray:
    """Logits [n, length, vocabulary] of windows that are read so many tokens at a time, with the cache."""
    names = [put.name for put in session.get_outputs()]
    past = {
        given.name: np.zeros((len(ids), given.shape[1], 0, given.shape[3]), np.float32)
        for given in session.get_inputs()
        if given.name.startswith("past_key_values.")
    }
    logits, end = [], 0
    for step in steps:
        start, end = end, end + step
        mask = np.ones((len(ids), end), np.int64)
        outputs = session.run(None, {"input_ids": ids[:, start:end], "attention_mask": mask, **past})
        put = dict(zip(names, outputs, strict=True))
        logits.append(put["logits"])
        past = {name: put[name.replace("past_key_values", "present")] for name in past}
    return np.concatenate(logits, axis=1)


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:  # onnxruntime has no error of its own for what it cannot run
            said = {"error": (str(error).strip() or type(error).__name__).splitlines()[0]}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
