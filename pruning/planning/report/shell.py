"""A file of its own around a body of HTML: its colours, and that it may load and run nothing."""

from html import escape

# Colours of a file of its own; on a page of the dashboard the theme gives them.
PAPER = """<style>
:root {color-scheme: light dark}
body {margin: 0; padding: 1.5rem; background: #ffffff; color: #1c2733;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif}
@media (prefers-color-scheme: dark) {body {background: #10161d; color: #e4eaf0}}
@media print {body {background: #ffffff; color: #000000; padding: 0}}
</style>"""
# Nothing may be loaded or run, whatever a text in the file says.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def shell(title: str, inside: str) -> str:
    """A page of its own around a body; it may load and run nothing."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{PAPER}</head>\n"
        f"<body><main>{inside}</main></body></html>\n"
    )
