"""`python -m pruning` is the same as `prunescope`."""

from pruning.cli import main

main(prog_name="prunescope")
