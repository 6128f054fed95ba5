"""The server's defaults: this machine only, nothing sent home, no large uploads; on a running server too."""

import base64
import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pruning.ui.shared import charts

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
    assert tuple(theme["chartSequentialColors"]) == charts.DAMAGE
    assert len(charts.DAMAGE) == len(charts.SPARSITY) == 10
    for colours in (theme["chartCategoricalColors"], theme["dark"]["chartCategoricalColors"]):
        assert len(set(colours)) >= 10


# ---- the running server -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a dashboard that was started as users start it, from a folder without its configuration."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {**os.environ, "PRUNESCOPE_HOME": str(folder / "home")}
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pruning", "app", "--port", str(number)],
            cwd=folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + 60
            while True:
                assert process.poll() is None, log.read_text()
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{number}/_stcore/health", timeout=2).close()
                    break
                except OSError:
                    assert time.monotonic() < until, log.read_text()
                    time.sleep(0.1)
            yield number
        finally:
            process.terminate()
            process.wait(20)


def handshake(port: int, host: str, origin: str) -> str:
    """The status of asking for the WebSocket, through which a page gets everything that it shows."""
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host}",
        f"Origin: {origin}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return connection.recv(200).decode(errors="replace").split()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_s_names_are_served(port: int, host: str) -> None:
    assert handshake(port, f"{host}:{port}", f"http://{host}:{port}") == "101"


def test_a_page_of_another_site_is_refused_even_under_a_name_that_leads_here(port: int) -> None:
    """DNS rebinding: a foreign name that resolves to this machine is host and origin at once."""
    rebound = f"rebound.example:{port}"
    assert handshake(port, rebound, f"http://{rebound}") == "403"
    assert handshake(port, rebound, f"http://127.0.0.1:{port}") == "403"
    assert handshake(port, f"127.0.0.1:{port}", "http://rebound.example") == "403"


def test_a_page_of_another_port_of_this_machine_is_refused(port: int) -> None:
    """Whatever else is served here, such as somebody's notebook, is another site."""
    assert handshake(port, f"127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}") == "403"
    assert handshake(port, f"127.0.0.1:{port}", f"http://localhost:{port}") == "403"


@pytest.mark.parametrize("path", ["/", "/media/0123456789abcdef.yaml", "/_stcore/metrics"])
def test_nothing_is_served_under_another_host_s_name(port: int, path: str) -> None:
    for host, served in (
        (f"localhost:{port}", True),
        (f"rebound.example:{port}", False),
        ("x@127.0.0.1", False),
    ):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        assert (status != 403) is served, host


def test_nobody_but_a_browser_is_let_drive_the_pages(port: int) -> None:
    """Streamlit can be driven by programs over plain HTTP; that stays off."""
    assert CONFIG["server"]["enableAgentApi"] is False
    with pytest.raises(urllib.error.HTTPError, match=r"4\d\d"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/agent/interact", b"{}", timeout=10)


def test_it_listens_on_this_machine_s_own_address_alone(port: int) -> None:
    listening = [
        connection.laddr
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening if address.port == port} == {"127.0.0.1"}
