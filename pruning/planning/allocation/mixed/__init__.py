"""The solver over whole units and single weights together."""
