"""Start Streamlit in a process that has read the charts' libraries, so that the first visitor need not wait.

Used as `python -m pruning.ui.serve run app.py …`, in place of `python -m streamlit run app.py …`.
"""

from __future__ import annotations


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

    streamlit(prog_name="streamlit")


if __name__ == "__main__":
    main()
