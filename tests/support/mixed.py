"""A made-up model whose units and weights are priced, for what solves over both."""

from pruning.benchmarks.synthetic import parts as parts
from pruning.benchmarks.synthetic import sensitivity_map, with_units
from pruning.planning.allocation.mixed.savings import Machine
from pruning.planning.forecast.forecaster import Forecaster


def forecaster(layers: int) -> Forecaster:
    """Of the made-up map, nothing measured."""
    return Forecaster.prior(with_units(sensitivity_map(layers=layers)))


def machine(layers: int) -> Machine:
    """The model, never timed."""
    return Machine(parts(layers))
