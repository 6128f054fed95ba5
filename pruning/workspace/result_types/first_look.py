"""What a first look prints."""

from typing import Annotated

from pruning.workspace.result_types.results import Answer, TextResult


class FirstLookResult(TextResult):
    """What a plan fitted to little text costs, with one answer of each model."""

    smaller: Annotated[float, "by which share the file was to be smaller"]
    dense_bytes: Annotated[int, "bytes of the unpruned model's file"]
    fitting_tokens: Annotated[int, "tokens that what stays was fitted to"]
    answer: Annotated[Answer, "what both models said to the prompt"]
