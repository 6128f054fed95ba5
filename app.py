"""The dashboard's entry: everything but the router is in `pages/` and `pruning/ui`."""

from pruning.ui.shared.frame import router

router.route()
