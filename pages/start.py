"""Start: what this is, the demo model in one press, the road, and the words that matter."""

from pruning.ui import start as start_view
from pruning.ui.data import queries
from pruning.ui.shared import opened, preload
from pruning.ui.shared import page as page_frame

page_frame.begin()
page_frame.heading(
    "How much of a transformer can go?",
    "Prunescope shows what removing weights from a language model would cost, before anything is removed.",
    queries.info(),
)
page_frame.callback_error()
opened.banner("start")
start_view.pitch()
start_view.demo()
start_view.go_on()
start_view.road()
start_view.glossary()
preload.browser()
