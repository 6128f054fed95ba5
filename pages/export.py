"""Export: the pruned model and its recipe, and the report for everybody."""

from pruning.ui.shared.frame import router

router.show("export")
