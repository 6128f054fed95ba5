"""What a job is to be done with: the model's shape, the number format, how much text, and streamed or not."""

from dataclasses import dataclass

from pruning.model_files.checkpoint import DTYPE_BYTES
from pruning.planning.cost.given.shape import Matrix, ModelShape

WINDOW = 256
# Tokens that are scored and priced with, that quality is looked at on, that what is kept is fitted to, and
# that recovery fits to: as tasks have them where nobody says otherwise.
CALIBRATION, EVALUATION, FITTING, REFITTING = 4096, 4096, 16384, 65536
FLOAT = 4


@dataclass(frozen=True)
class Setting:
    """One way to do a job.

    Attributes
    ----------
    shape
        The model's widths.
    dtype
        The number format that is computed in.
    streamed
        Whether layers stay in their files, and come one at a time.
    tokens
        The most tokens of text for anything; None: what each task takes by itself.
    """

    shape: ModelShape
    dtype: str = "float32"
    streamed: bool = False
    tokens: int | None = None

    def text(self, usual: int) -> int:
        """Tokens, where a task would take so many."""
        if self.tokens is None:
            return usual
        return max(WINDOW, min(usual, self.tokens))

    @property
    def wide(self) -> int:
        """Bytes of a number that is computed with."""
        return DTYPE_BYTES[self.dtype]

    @property
    def model_bytes(self) -> int:
        """Bytes of the weights that are in memory at a time."""
        shape = self.shape
        if not self.streamed:
            return self.wide * shape.total
        return self.layer_bytes + min(self.wide, shape.weight_bytes) * shape.tables

    @property
    def layer_bytes(self) -> int:
        """Bytes of one layer's weights in memory."""
        return self.wide * self.shape.layer

    @property
    def prunable_bytes(self) -> int:
        """Bytes of the weights of all groups, as they are computed with."""
        return self.wide * self.shape.prunable

    @property
    def largest(self) -> Matrix:
        """The largest matrix of a group."""
        return max(self.shape.matrices, key=lambda matrix: matrix.rows * matrix.columns)

    @property
    def widest(self) -> int:
        """The most inputs that a matrix has."""
        return max(matrix.columns for matrix in self.shape.matrices)
