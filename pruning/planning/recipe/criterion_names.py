"""The names a criterion goes by: one that is stored, and the literature's as an alias. No torch."""

# By alias, the name under which results, recipes and files know the criterion.
ALIASES = {"sparsegpt-ec": "corrected"}


def canonical_criterion(name: str) -> str:
    """The stored name of the criterion `name`: `corrected` for its alias `sparsegpt-ec`, others unchanged."""
    return ALIASES.get(name, name)
