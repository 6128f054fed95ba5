"""Where the dashboard's places are: the one thing here to change when its pages are put in another order."""

from urllib.parse import urlencode

# What is asked for, by what it is for, and the page that has it now.
DESK, EXPORT = "desk", "export"
_PAGES = {DESK: "explore", EXPORT: "export"}
PLACES = ("", "explore", "model", "optimize", "sensitivity", "recover", "speed", "compare", "export", "runs")


def address(place: str, **parameters: str | list[str]) -> str:
    """The address of a place, without the server, with its parameters."""
    words = urlencode(parameters, doseq=True, errors="replace")
    return f"/{_PAGES.get(place, place)}" + (f"?{words}" if words else "")


def script(place: str) -> str:
    """The script of a place, below the folder of the dashboard's entry."""
    return f"pages/{_PAGES.get(place, place)}.py"
