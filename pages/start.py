"""Start: what this is, the demo model in one press, the road, and the words that matter."""

from pruning.ui import start as start_view
from pruning.ui.data import queries as services
from pruning.ui.shared import page as shell
from pruning.ui.shared import preload as warm

shell.begin()
shell.heading(
    "How much of a transformer can go?",
    "Prunescope shows what removing weights from a language model would cost, before anything is removed.",
    services.info(),
)
shell.complaint()
start_view.pitch()
start_view.demo()
start_view.go_on()
start_view.road()
start_view.glossary()
warm.browser()
