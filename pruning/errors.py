"""The errors whose text a user sees."""


class PruningError(Exception):
    """Something the user can mend; the text says what is wrong and what to do."""


class Cancelled(Exception):
    """The user asked the running task to stop."""
