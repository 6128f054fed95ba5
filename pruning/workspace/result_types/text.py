"""What looking at a text prints and stores."""

from typing import Annotated, TypedDict

from pruning.workspace.result_types.figures import DataFingerprint


class SourceRow(TypedDict):
    """One text of the mixture, and what was made of it."""

    name: Annotated[str, "its name"]
    share: Annotated[float, "its part of the tokens"]
    rows: Annotated[int, "rows or paragraphs that were read"]
    duplicates: Annotated[int, "of these left out: the same words stood in an earlier one"]
    near_empty: Annotated[int, "of these left out: next to nothing in them"]
    unread: Annotated[int, "of these left out: none of the fields that are looked in"]
    refused: Annotated[int, "of these left out: conversations that the chat template refuses"]
    cut: Annotated[bool, "whether there is more than was read"]
    fields: Annotated[dict[str, int], "the fields that were read, and of how many rows"]
    conversations: Annotated[int, "documents that are conversations"]
    calibration_documents: Annotated[int, "documents to calibrate with"]
    evaluation_documents: Annotated[int, "documents to evaluate with"]
    calibration_tokens: Annotated[int, "tokens in the former"]
    evaluation_tokens: Annotated[int, "tokens in the latter"]


class SampleRow(TypedDict):
    """A document as the model reads it."""

    source: Annotated[str, "the text it is from"]
    text: Annotated[str, "its beginning"]
    cut: Annotated[bool, "whether it goes on"]


class TextResult(TypedDict):
    """What a text looks like to the model."""

    sources: Annotated[list[SourceRow], "the texts of the mixture"]
    samples: Annotated[list[SampleRow], "three documents as the model reads them"]
    chat_template: Annotated[bool, "whether the model has a template for conversations"]
    calibration_tokens: Annotated[int, "tokens that maps and masks are worked out on"]
    evaluation_tokens: Annotated[int, "tokens that quality is measured on"]
    data_fingerprint: DataFingerprint
