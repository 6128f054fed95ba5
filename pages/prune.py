"""Prune: a plan by hand or by the solver, other structures and methods, and fine-tuning of what stays."""

from pruning.ui.shared.frame import router

router.show("prune")
