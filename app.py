"""The dashboard's entry: everything but the router is in `pages/` and `pruning/ui`."""

from pruning.ui.shared import page as page_frame

page_frame.route()
