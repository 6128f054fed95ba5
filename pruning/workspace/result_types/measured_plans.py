"""What measuring several recipes in one go gives."""

from typing import Annotated, TypedDict

from pruning.workspace.result_types.results import MeasureResult


class MeasuredPlans(TypedDict):
    """What each of several recipes costs, measured."""

    plans: Annotated[list[MeasureResult], "of each recipe what `measure` prints, in the order asked for"]
    measured: Annotated[int, "how many were measured now; the others had been before"]
