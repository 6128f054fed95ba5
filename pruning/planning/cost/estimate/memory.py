"""The memory peak of each step of a job, worked out from what the engine holds at once.

Bytes are those beside Python with its libraries (`BASE`) and the model's weights. The counts follow the
engine's code, which the comments name; what no count explains, and was found by comparing with measured
peaks of the demo, is in `BASE` and `KEPT_FREE`.
"""

from pruning.planning.cost.estimate.statistics import collected_bytes, half_length, kept_bytes, sums_bytes
from pruning.planning.cost.given.setting import (
    CALIBRATION,
    EVALUATION,
    FITTING,
    FLOAT,
    REFITTING,
    WINDOW,
    Setting,
)

# Python with torch and transformers, tokenizer and model code: 394 MB to import them, measured, and the rest
# once a model is open.
BASE = 460 * 10**6
# What the allocator keeps of freed memory, as a share of what is held in parts so small that it does not give
# them back one by one (glibc's largest threshold for that).
KEPT_FREE, SMALL = 0.38, 32 * 2**20
# The same of masks and weights of a change.
CHANGE_KEPT_FREE = 0.5
# Rows of logits at a time, and how many arrays of them: `metrics.compare` (two models, log-probabilities, and
# what kl_div makes of them), `fisher._from_head`, `losses.output_loss`.
COMPARED, MOST_LOGITS, LOGITS = 512, 512 * 50_000, 7
SENT, SENT_LOGITS = 64, 5
LEARNT, LEARNT_LOGITS = 256, 6
# Tokens in a batch whose gradients are taken (`fisher.BATCH_TOKENS`), in one that only runs
# (`forward.BATCH_TOKENS`), and in one of training (`Training.batch` windows).
BATCH, RUN, TRAINED = 256, 1024, 4 * WINDOW
# Numbers that autograd keeps of a token and layer, by width: weights fixed (norms' inputs; queries, keys,
# values and what attention puts out; the MLP's products), and trained (every matrix's inputs too).
FIXED = {"hidden": 2, "queries": 4, "inner": 3}
TRAINING = {"hidden": 4, "queries": 5, "inner": 4}
# Bytes for each entry of the widest [in, in], and arrays as large as the largest weight, at the fullest
# moment: pricing groups (`group_costs`), units (`unit_costs._neurons`), weight updates
# (`least_squares.corrected_target`, in float64, with both moments beside it).
PRICED, UNITS, UPDATED = (6, 5), (24, 3), (24, 6)
# The same while the sums of one layer are made whole and then short (`fisher._finish`, `compact_factors`).
MADE_WHOLE = (16, 0)
# A mask's bytes a weight in memory; a list of states keeps so much there where layers are streamed
# (`spilled.KEPT_BYTES`).
MASK, SPILL = 1, 16 * 2**20


def running(setting: Setting) -> int:
    """A batch on its way through a layer, and the states of the text."""
    shape, wide = setting.shape, setting.wide
    widest = shape.hidden + shape.queries + shape.keys_values + 3 * shape.inner * shape.active
    batch = min(RUN, setting.text(EVALUATION))
    return wide * (batch * widest + 2 * setting.text(EVALUATION) * shape.hidden)


def comparing(setting: Setting) -> int:
    """The logits of two models, a chunk at a time, and the states they are worked out from."""
    rows = min(COMPARED, MOST_LOGITS // setting.shape.vocabulary, setting.text(EVALUATION))
    return running(setting) + LOGITS * FLOAT * rows * setting.shape.vocabulary


def collecting(setting: Setting) -> int:
    """Sums and samples of all layers, what autograd keeps of a batch, and a chunk of logits.

    Streamed it is one layer's, with what enters it for the whole text, and the gradients behind it.
    """
    shape = setting.shape
    held = collected_bytes(setting) + _graph(setting, BATCH, FIXED) + _waiting(setting)
    logits = SENT_LOGITS * FLOAT * SENT * shape.vocabulary
    finished = sums_bytes(setting) + _matrices(setting, MADE_WHOLE)
    if setting.streamed:
        return max(finished, held + logits) + 4 * FLOAT * setting.text(CALIBRATION) * shape.hidden
    large = 0 if FLOAT * half_length(setting.widest) < SMALL else sums_bytes(setting)
    return max(finished, round(held + KEPT_FREE * (held - large) + logits))


def _waiting(setting: Setting) -> int:
    """What went into each matrix, in a byte a number, until the gradients come."""
    inputs = sum(m.columns * m.active for m in setting.shape.matrices if not m.shares_inputs)
    return BATCH * inputs * (1 if setting.streamed else setting.shape.layers)


def pricing(setting: Setting) -> int:
    """Statistics, of which one group's are made whole at a time: first of groups, then of units."""
    kept = 0 if setting.streamed else kept_bytes(setting)
    return kept + max(_matrices(setting, PRICED), _matrices(setting, UNITS))


def updating(setting: Setting, tokens: int = FITTING) -> int:
    """Weight updates layer after layer, on `tokens` tokens at most, and what came of all of them."""
    states = _walk(setting, setting.text(tokens))
    # The layer's dense weights lie beside it.
    return states + setting.layer_bytes + _matrices(setting, UPDATED) + changed(setting, updates=True)


def changed(setting: Setting, updates: bool, copied: bool = True) -> int:
    """A change on the model: masks, the weights that it brings, and copies of those it took the place of.

    Streamed they are in files.
    """
    if setting.streamed:
        return 0
    brought = FLOAT * setting.shape.prunable if updates else 0
    held = MASK * setting.shape.prunable + brought + (setting.prunable_bytes if copied else 0)
    small = FLOAT * setting.largest.rows * setting.largest.columns < SMALL
    return round(held * (1 + CHANGE_KEPT_FREE * small))


def training(setting: Setting) -> int:
    """The student in float32, its gradients and both moments, and what autograd keeps of a batch."""
    shape = setting.shape
    student = FLOAT * shape.total + 2 * MASK * shape.prunable
    # One array more for the weights that are kept when they are best.
    moving = 4 * FLOAT * shape.prunable
    batch = _graph(setting, TRAINED, TRAINING) + LEARNT_LOGITS * FLOAT * LEARNT * shape.vocabulary
    return student + moving + batch


def refitting(setting: Setting) -> int:
    """What recovery begins with: the student, and weights that are fitted layer by layer on much text."""
    return FLOAT * setting.shape.total + updating(setting, REFITTING)


def _graph(setting: Setting, tokens: int, numbers: dict[str, int]) -> int:
    """Bytes that autograd keeps of a batch: of all layers, or of one where layers are streamed."""
    shape = setting.shape
    width = numbers["hidden"] * shape.hidden + numbers["queries"] * shape.queries
    width += numbers["inner"] * (shape.inner * shape.active + shape.shared)
    return tokens * setting.wide * width * (1 if setting.streamed else shape.layers)


def _walk(setting: Setting, tokens: int) -> int:
    """States of the dense and the pruned model before and after a layer, and what its modules were given.

    Streamed each list keeps a part in memory.
    """
    shape, wide = setting.shape, setting.wide
    inner = shape.inner * shape.active + shape.shared
    widths = [*[shape.hidden] * 9, *[shape.queries] * 2, *[inner] * 2]
    lists = [wide * tokens * width for width in widths]
    if setting.streamed:
        lists = [min(SPILL, each) for each in lists]
    # By how much the residual stream has drifted is worked out for all tokens at once.
    return sum(lists) + 3 * FLOAT * tokens * shape.hidden


def _matrices(setting: Setting, counts: tuple[int, int]) -> int:
    """Bytes of work on the largest matrix, and on the second moments of the widest inputs."""
    square, weights = counts
    largest = setting.largest
    return square * setting.widest**2 + weights * FLOAT * largest.rows * largest.columns
