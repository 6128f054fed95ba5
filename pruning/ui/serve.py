"""Start Streamlit in a process that has read the charts' libraries, so that the first visitor need not wait.

Used as `python -m pruning.ui.serve run app.py …`, in place of `python -m streamlit run app.py …`.
"""

from __future__ import annotations

from typing import Any


class Guard:
    """What stands before the dashboard: pages of others get nothing of it.

    A page of another site can have its name lead to this machine, and is then of one origin with us as far
    as the browser knows. Streamlit itself asks only those who want the WebSocket under which name they know
    us, not those who want a file that a download button made; and to it every port of this machine is one
    origin, whoever serves there.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not _known(scope):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"This is the name of another host."})
        elif scope["type"] == "websocket" and not (_known(scope) and _from_ours(scope)):
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)


def _header(scope: Any, name: bytes) -> str:
    values = (value.decode("latin-1") for key, value in scope["headers"] if key == name)
    return next(values, "").lower()


def _known(scope: Any) -> bool:
    """Whether a request names one of `server.allowedHosts` as its host, at whatever port."""
    from streamlit import config

    allowed = config.get_option("server.allowedHosts") or ["*"]
    host = _header(scope, b"host")
    return "*" in allowed or host in allowed or host.rpartition(":")[0] in allowed


def _from_ours(scope: Any) -> bool:
    """Whether a request is of one of our own pages, of one that was allowed, or of no page at all."""
    from streamlit import config

    origin = _header(scope, b"origin")
    allowed = config.get_option("server.corsAllowedOrigins") or []
    return not origin or origin.partition("://")[2] == _header(scope, b"host") or origin in allowed


def _guarded() -> None:
    """Have Streamlit put the guard before everything else that it serves."""
    from starlette.middleware import Middleware
    from streamlit.web.server.starlette import starlette_app

    made = starlette_app.create_streamlit_middleware
    starlette_app.create_streamlit_middleware = lambda: [Middleware(Guard), *made()]


def main() -> None:
    """Import what every page with a chart or a table needs, then hand over to Streamlit."""
    import pandas  # noqa: F401
    import plotly.graph_objects as go
    import pyarrow  # noqa: F401

    from pruning.cli.reference import command_line as commands  # noqa: F401
    from pruning.planning.forecast import sensitivity_map as costmap  # noqa: F401
    from pruning.planning.recipe import recipe  # noqa: F401

    go.Figure([go.Heatmap(z=[[0.0]]), go.Scatter(x=[0.0], y=[0.0])]).to_json()

    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.web.cli import main as streamlit

    # Pages are those of the router from the first address on. Otherwise Streamlit would look for that address
    # in pages/ until the router has run once, and not find the addresses that views had as pages before.
    PagesManager.uses_pages_directory = False

    _guarded()
    streamlit(prog_name="streamlit")


if __name__ == "__main__":
    main()
