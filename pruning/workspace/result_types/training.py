"""What tasks that train return and store, key by key; see `result_types`."""

from typing import Annotated, NotRequired, TypedDict

from pruning.workspace.result_types.figures import (
    Accuracy,
    Agreement,
    CompactBytes,
    Criterion,
    DensePerplexity,
    FileBytes,
    Kl,
    MaskOptionValues,
    Perplexity,
    Quality,
    Recovery,
    Settings,
    Sparsity,
    Tokens,
)


class Evaluation(Quality):
    """A look at quality while training, on text kept back."""

    step: Annotated[int, "after this step"]


class StepLoss(TypedDict):
    """The loss of one step of training."""

    step: Annotated[int, "the step, from 1"]
    loss: Annotated[float, "loss on the text that is learnt from, nats per token"]


class RecoverResult(MaskOptionValues):
    """What training made of a pruned model."""

    settings: Settings
    criterion: Criterion
    recovery: Recovery
    steps: Annotated[int, "steps that were trained"]
    best_step: Annotated[int, "the step with the best weights, which are kept"]
    stopped_early: Annotated[bool, "whether patience ran out"]
    refitted: Annotated[bool | None, "whether fitting before the first step was better, null without it"]
    losses: Annotated[list[StepLoss], "the loss of each step"]
    looks: Annotated[list[Evaluation], "quality on text kept back"]
    out: Annotated[str, "the file of the recovered weights"]
    finished: Annotated[bool, "whether it came to its end"]
    dense: Annotated[Quality, "the dense model"]
    pruned: Annotated[Quality | None, "before training; null where training chooses the weights"]
    recovered: Annotated[Quality, "after training"]
    won_back: Annotated[float | None, "share of the KL that pruning cost and training won back"]
    seconds_a_step: Annotated[float | None, "seconds of a step"]
    seconds_before: Annotated[float | None, "seconds before the first step; null in a run that was resumed"]
    tokens: Tokens
    sparsity: Sparsity
    bytes: CompactBytes
    file_bytes: FileBytes
    recipe: NotRequired[Annotated[str, "the recipe that was written with --out"]]


class Rung(TypedDict):
    """All groups at one level."""

    level: Annotated[float, "share of every group's weights that is pruned"]
    settings: Settings
    kl: Kl
    perplexity: Perplexity
    dense_perplexity: DensePerplexity
    agreement: Agreement
    accuracy: Accuracy
    sparsity: Sparsity
    bytes: CompactBytes
    recovered: Annotated[bool, "whether it was trained"]
    won_back: NotRequired[Annotated[float | None, "share of the lost KL that training won back"]]


class ProgressiveResult(TypedDict):
    """Level after level, until quality leaves a budget."""

    rows: Annotated[list[Rung], "a row for each level"]
    best: Annotated[Rung | None, "the last row within the budget, or null"]
    ended: Annotated[str, "what stopped it: budget or levels"]
    budget: Annotated[dict[str, float | None], "the most kl and perplexity"]


class LotteryResult(TypedDict):
    """A lottery ticket, with a random one of the same size as the control."""

    settings: Settings
    rounds: Annotated[int, "times that it was trained and pruned"]
    rewind: Annotated[int, "the step that weights went back to"]
    recovery: Recovery
    untrained: Annotated[Quality, "the dense model as it was"]
    dense: Annotated[Quality, "the dense model after the same training"]
    ticket: Annotated[Quality, "the ticket"]
    random: Annotated[Quality, "the random ticket"]
    ticket_wins: Annotated[bool, "whether the ticket is better than the random one"]
    sparsity: Sparsity
