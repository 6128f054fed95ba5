"""The benches."""

from pruning.cli.benches import interface, quality, speed
from pruning.cli.benches.group import bench

__all__ = ["bench", "interface", "quality", "speed"]
