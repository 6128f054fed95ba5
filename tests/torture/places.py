"""Where the dashboard's views are: the one thing here to change when its pages are put in another order."""

from urllib.parse import urlencode

from pruning.ui.shared.frame.places import script_of

# What is asked for, by what it is for, and the view that has it now.
DESK, EXPORT = "desk", "export"
_PAGES = {DESK: "explore", EXPORT: "export"}
PLACES = ("", "explore", "model", "optimize", "sensitivity", "recover", "speed", "compare", "export", "runs")


def address(place: str, **parameters: str | list[str]) -> str:
    """The address of a place, without the server, with its parameters."""
    words = urlencode(parameters, doseq=True, errors="replace")
    return f"/{_PAGES.get(place, place)}" + (f"?{words}" if words else "")


def script(place: str) -> str:
    """The script of a place, below the folder of the dashboard's entry."""
    return script_of(view(place))


def view(place: str) -> str:
    """The name of a place's view in addresses."""
    return _PAGES.get(place, place) or "start"
