"""Model: start, load a model, how good and how fast it is before anything is pruned."""

from pruning.ui.shared.frame import router

router.show("model")
