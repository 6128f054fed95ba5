"""Compare: pinned plans and their answers, every run, and the guide's claims beside what was measured."""

from pruning.ui.shared.frame import router

router.show("compare")
