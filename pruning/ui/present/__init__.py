"""The Present page: one plan explained in plain words, to show and to print."""
