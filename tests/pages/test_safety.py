"""The server's defaults: this machine only, nothing sent home, no large uploads."""

import tomllib
from pathlib import Path

CONFIG = tomllib.loads((Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml").read_text())


def test_the_server_answers_this_machine_alone() -> None:
    server = CONFIG["server"]
    assert server["address"] == "127.0.0.1"
    assert server["allowedHosts"] == ["localhost", "127.0.0.1"]
    assert server["enableCORS"] is True
    assert server["enableXsrfProtection"] is True
    assert server["maxUploadSize"] == 50


def test_nothing_is_reported_and_reruns_stay_quick() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["toolbarMode"] == "minimal"
    assert CONFIG["runner"]["postScriptGC"] is False


def test_both_themes_have_all_the_chart_colours_they_need() -> None:
    theme = CONFIG["theme"]
    assert len(theme["chartSequentialColors"]) == 10
    for colours in (theme["chartCategoricalColors"], theme["dark"]["chartCategoricalColors"]):
        assert len(set(colours)) >= 10
