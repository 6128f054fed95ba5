"""Seconds that the steps of a job take: what they compute, read and write, and how fast that goes here.

Operations are counted from the widths. What is left out, and was found by comparing with times on the demo,
is in the shares and counts below: attention between tokens, norms, hooks, Python.
"""

from dataclasses import dataclass, replace

from pruning.planning.cost.estimate.statistics import SAMPLED
from pruning.planning.cost.given.machine import Speeds
from pruning.planning.cost.given.setting import CALIBRATION, EVALUATION, FITTING, REFITTING, WINDOW, Setting
from pruning.planning.cost.given.shape import Matrix

# Python with torch, and looking at the model: seconds.
STARTING = 12.0
# How much longer than its matrices alone a pass through the layers takes, forwards or backwards.
PASS = 1.2
# Walks over each logit that models are compared by.
LOGITS = 10
# Walks over each number of a matrix: reading and naming its values when it is loaded; pricing a level; a
# mask; a weight update of one column at a time.
LOADED, PRICED, CHOSEN, UPDATED = 3, 2, 12, 130
# Levels, of which some by the sample too; and the share of its inputs that a covariance in short has rows
# (`low_rank.SHARE`).
LEVELS, ANCHORS, RANK = 9, 2, 6
# Walks over each number that a matrix takes in or puts out, to add it to the statistics.
COLLECTED = 6
# Tokens of the questions and of the prompts; how many calls of the model they take, of which each reads all
# weights.
QUESTIONS, PROMPTS = 6000, 1100
QUESTION_CALLS, PROMPT_CALLS = 60, 65
# Runs of a layer for one weight update: whole in the dense and the pruned model, and in parts for each stage.
WALKS = 3.6
# Training: a step's windows in tokens; forwards and backwards of the student, and forwards of the teacher;
# steps between looks, and tokens of each.
STEP, STEP_PASSES, LOOK_EVERY, LOOK_TOKENS = 1024, 4.0, 20, 32768
# Windows that the dense model writes for it, for each step, where the text is short; and how much longer it
# takes to write a token than to read it.
WRITTEN, WRITING = 2, 5
# Conjugate-gradient rounds of a masked refit.
ROUNDS = 20


@dataclass(frozen=True)
class Work:
    """What there is to do: operations in matrix products, numbers walked over, bytes read and written, and
    seconds that depend on neither."""

    operations: float = 0.0
    elements: float = 0.0
    read: float = 0.0
    written: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        """Both."""
        return Work(
            self.operations + other.operations,
            self.elements + other.elements,
            self.read + other.read,
            self.written + other.written,
            self.seconds + other.seconds,
        )

    def at(self, speeds: Speeds) -> float:
        """Seconds at these speeds."""
        return (
            self.seconds
            + self.operations / speeds.operations
            + self.elements / speeds.elements
            + self.read / speeds.read
            + self.written / speeds.write
        )


def loading(setting: Setting) -> Work:
    """Reading all weights once, and naming them."""
    shape = setting.shape
    return Work(0, LOADED * shape.total, shape.weight_bytes * shape.total, 0, STARTING)


def passes(setting: Setting, tokens: float, head: float = 1.0, calls: float = 1.0) -> Work:
    """So many tokens through all layers, and a share of them through the head.

    `calls`: of the model; streamed each reads the layers from their files.
    """
    shape = setting.shape
    operations = PASS * tokens * shape.operations + head * tokens * shape.head_operations
    return Work(operations) + _visits(setting, calls)


def dense(setting: Setting) -> Work:
    """The dense model on the evaluation text."""
    tokens = setting.text(EVALUATION)
    compared = Work(0, LOGITS * tokens * setting.shape.vocabulary)
    return passes(setting, tokens, calls=tokens / 1024) + compared


def collecting(setting: Setting) -> Work:
    """Forwards and backwards, half of the positions through the head and back, and half the covariances."""
    shape, tokens = setting.shape, setting.text(CALIBRATION)
    work = passes(setting, 2 * tokens, head=0.5, calls=3 if setting.streamed else 1)
    products = shape.layers * sum(
        tokens / 2 * m.columns**2 for m in shape.matrices for _ in range(m.active) if not m.shares_inputs
    )
    numbers = shape.layers * tokens * sum((m.rows + m.columns) * m.active for m in shape.matrices)
    return work + Work(products, COLLECTED * numbers + LOGITS * tokens / 2 * shape.vocabulary)


def pricing(setting: Setting) -> Work:
    """Every level of every group, and the units of every layer."""
    shape = setting.shape
    groups = shape.layers * sum(
        m.count * 2 * m.rows * m.columns * (LEVELS * _rows_in_short(setting, m) + ANCHORS * SAMPLED)
        for m in shape.matrices
    )
    # Covariances in short: two products with as many rows, and their factors.
    groups += shape.layers * sum(
        m.count * m.columns**3 * (4 / RANK + 8 / RANK**2) for m in shape.matrices if not m.shares_inputs
    )
    # Second moments are factored, inverted and factored again to price units.
    units = shape.layers * sum(
        m.count * (2.0 * m.columns**3 + 2 * m.rows * m.columns**2)
        for m in shape.matrices
        if m.kind in ("attn_out", "down")
    )
    return Work(groups + units, PRICED * LEVELS * shape.prunable) + _visits(setting, 2)


def _rows_in_short(setting: Setting, matrix: Matrix) -> float:
    """Rows of a covariance in short; all of them where the text has fewer positions, and it has no factor."""
    rows = matrix.columns / RANK
    return rows if setting.text(CALIBRATION) / 2 >= rows else matrix.columns


def timing(setting: Setting) -> Work:
    """The dense forward pass that a map is held against."""
    tokens = setting.text(CALIBRATION)
    return passes(setting, tokens, calls=tokens / 1024)


def choosing(setting: Setting) -> Work:
    """Masks by a criterion, and putting them on the model."""
    prunable = setting.shape.prunable
    written = setting.prunable_bytes if setting.streamed else 0
    return Work(0, CHOSEN * prunable, 0, written) + _visits(setting, 2)


def updating(setting: Setting, tokens: int = FITTING, refit: bool = False) -> Work:
    """Weight updates layer by layer: the text, second moments, factors and, column by column, the weights."""
    shape, text = setting.shape, setting.text(tokens)
    walk = replace(passes(setting, WALKS * text, head=0.0), read=0.0)
    squares = shape.layers * sum(
        m.count * m.columns**2 * (4.0 * text * m.active / m.count + 4.0 * m.columns)
        for m in shape.matrices
        if not m.shares_inputs
    )
    # A solve for the target, and the update; or rounds of conjugate gradients.
    rows = 2.0 * ROUNDS if refit else 6.0
    solves = shape.layers * sum(rows * m.count * m.rows * m.columns**2 for m in shape.matrices)
    written = 2 * setting.prunable_bytes if setting.streamed else 0
    return walk + Work(squares + solves, UPDATED * shape.prunable, 0, written) + _visits(setting, 5)


def answering(setting: Setting) -> Work:
    """The questions and the prompts, once."""
    calls = QUESTION_CALLS + PROMPT_CALLS
    work = passes(setting, QUESTIONS + PROMPTS, head=0.5)
    # Each call reads all weights from memory, however few tokens it is for.
    return work + Work(0, 0.25 * calls * setting.shape.total)


def writing(setting: Setting) -> Work:
    """An export: names of all values twice, the files, and another process that reads and runs them."""
    shape = setting.shape
    bytes_ = shape.weight_bytes * shape.total
    work = Work(0, 3 * LOADED * shape.total, 2 * bytes_, bytes_, STARTING)
    return work + passes(setting, 512, calls=10) + _visits(setting, 3)


def training(setting: Setting, steps: int) -> Work:
    """The steps of recovery with looks at quality, after the text was written and the weights were fitted."""
    text = setting.text(2**18)
    step = passes(setting, STEP_PASSES * STEP, head=3.0 / STEP_PASSES)
    # The optimizer walks over weights, gradients and both moments.
    optimizer = Work(0, 12 * setting.shape.prunable)
    look = passes(setting, min(LOOK_TOKENS, text / 8))
    written = passes(setting, WRITING * WRITTEN * WINDOW * steps)
    work = written + updating(setting, REFITTING, refit=True) + _times(step + optimizer, steps)
    return work + _times(look, 2 + steps / LOOK_EVERY)


def _times(work: Work, count: float) -> Work:
    return Work(
        work.operations * count,
        work.elements * count,
        work.read * count,
        work.written * count,
        work.seconds * count,
    )


def _visits(setting: Setting, calls: float) -> Work:
    """Reading all layers so many times from their files, and widening them, where they are streamed."""
    if not setting.streamed:
        return Work()
    weights = setting.shape.layers * setting.shape.layer
    return Work(0, 0.5 * calls * weights, calls * setting.shape.weight_bytes * weights)
