"""The dashboard's router: page settings, navigation, and the page that was asked for."""

import streamlit as st

from pruning.resources import asset
from pruning.ui import shell

st.set_page_config(page_title="Prunescope", page_icon=":material/content_cut:", layout="wide")
st.logo(str(asset("logo.svg")), size="large")
shell.start()
done = shell.done_steps()


def page(name: str, title: str, icon: str, default: bool = False) -> st.Page:
    """One step of the road; its icon becomes a tick when it is done.

    `url_path` differs from the script's stem, or Streamlit would run the script without this file when
    its address is opened on a fresh server.
    """
    symbol = "check_circle" if done[name] else icon
    return st.Page(
        shell.PAGES[name], title=title, icon=f":material/{symbol}:", url_path=name, default=default
    )


st.navigation(
    [
        page("model", "1 Model", "deployed_code", default=True),
        page("sensitivity", "2 Sensitivity", "grid_on"),
        page("explore", "3 Explore", "tune"),
        page("export", "4 Export", "save"),
    ],
    position="top",
).run()
