"""Sensitivity: what pruning would cost in every layer and group, by criterion and by capability."""

from pruning.ui.shared.frame import router

router.show("sensitivity")
