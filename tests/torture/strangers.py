"""Strangers on the net: pages of other sites, other host names, names that lead out."""

import base64
import http.client
import itertools
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pruning.benchmarks.browser import Server, chromium, launched, server
from pruning.errors import PruningError
from pruning.workspace.store import Store
from tests.support import synthetic
from tests.torture.places import EXPORT, address
from tests.torture.table import Row, Run

HOST = "127.0.0.1"
FOREIGN = "rebound.example"
# What a server of files must never hand out, however its name is written.
OUTSIDE = b"root:x:0:0"
# What every answer to somebody else may be: refused, not there, or a redirection.
REFUSED = range(300, 500)
PATHS = (
    "/",
    "/explore",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/metrics",
    "/_stcore/script-health-check",
    "/_stcore/upload_file/session/file",
    "/_stcore/agent/interact",
    "/_stcore/agent/mcp",
    "/media/0123456789abcdef.yaml",
    "/static/index.js",
    "/component/x/index.html",
)
ROOTS = (
    "",
    "/media",
    "/app/static",
    "/static",
    "/component/x",
    "/_stcore/bidi-components/x",
    "/_stcore/upload_file",
)
OUT = (
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "//etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%5c..%5cetc%5cpasswd",
    "/%00/etc/passwd",
    "/....//....//etc/passwd",
    "/file:///etc/passwd",
)


@dataclass(frozen=True)
class Answer:
    """The status of an answer, whom it lets read it, and its beginning."""

    status: int
    readers: str | None
    body: bytes


def rows(run: Run) -> Iterator[Row]:
    """A row each for other hosts, other origins, a hostile page in a browser, paths, and names."""
    folder = run.folder("home")
    store = Store(folder)
    synthetic.put_all(store)
    synthetic.put_map(store, units=True)
    with server(folder, run.scratch / "server.log") as found:
        port = int(found.address.rpartition(":")[2])
        yield _other_hosts(port)
        yield _other_origins(port)
        yield _paths(port)
        if chromium() is None:
            yield Row("a page of another site, in a browser", 0, skipped="there is no Chromium on the PATH")
        elif not run.short:
            yield from _in_a_browser(found)
    yield _names(store)


def ask(port: int, path: str, host: str, method: str = "GET", origin: str = "") -> Answer:
    """Ask the server for a path, as it is written, under a host name, from a page of `origin`."""
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        connection.putheader("Content-Length", "0")
        if origin:
            connection.putheader("Origin", origin)
        connection.endheaders()
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Access-Control-Allow-Origin"), answer.read(100_000))
    finally:
        connection.close()


def handshake(port: int, host: str, origin: str) -> int:
    """The status of asking for the WebSocket, through which pages get and send everything."""
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {host}",
        f"Origin: {origin}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
    ]
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(200).split()[1])


def _other_hosts(port: int) -> Row:
    """Nothing is served under another name, be it one of ours with something added."""
    hosts = (
        f"{FOREIGN}:{port}",
        FOREIGN,
        f"127.0.0.1.{FOREIGN}:{port}",
        f"localhost.{FOREIGN}",
        f"x@127.0.0.1:{port}",
        "",
    )
    losses, count, worst = [], 0, 0.0
    for host, path in itertools.product(hosts, PATHS):
        begun = time.monotonic()
        answer = ask(port, path, host)
        count, worst = count + 1, max(worst, time.monotonic() - begun)
        if answer.status not in REFUSED:
            losses.append(f"{path} is served to the host {host!r} ({answer.status})")
    for host in hosts:
        count += 1
        if handshake(port, host, f"http://{host}") == 101:
            losses.append(f"the WebSocket is opened to the host {host!r}")
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        count += 1
        if ask(port, "/_stcore/health", host).status != 200 or handshake(port, host, f"http://{host}") != 101:
            losses.append(f"our own name {host} is refused")
    return Row("asked under another host name", count, losses, worst)


def _other_origins(port: int) -> Row:
    """A page of another site may ask, and must not be let read the answer, or send anything."""
    own = f"127.0.0.1:{port}"
    origins = (
        f"http://{FOREIGN}",
        f"http://127.0.0.1:{port + 1}",
        f"https://127.0.0.1.{FOREIGN}:{port}",
        "null",
        "file://",
    )
    losses, count = [], 0
    for origin, path in itertools.product(origins, PATHS):
        answer = ask(port, path, own, origin=origin)
        count += 1
        if answer.readers in ("*", origin):
            losses.append(f"{path} may be read by {origin}")
    for origin, method in itertools.product(origins, ("POST", "PUT", "DELETE")):
        for path in ("/_stcore/upload_file/session/file", "/_stcore/agent/interact", "/_stcore/agent/mcp"):
            answer = ask(port, path, own, method, origin)
            count += 1
            if answer.status < 400:
                losses.append(f"{method} {path} is taken from {origin}")
    for origin in origins:
        count += 1
        if handshake(port, own, origin) == 101:
            losses.append(f"the WebSocket is opened to {origin}")
    return Row("asked by a page of another site", count, losses)


def _paths(port: int) -> Row:
    """No path leads to a file outside what is served."""
    losses, count = [], 0
    for root, out in itertools.product(ROOTS, OUT):
        answer = ask(port, root + out, f"127.0.0.1:{port}")
        count += 1
        if OUTSIDE in answer.body:
            losses.append(f"{root + out} leads out")
    return Row("paths that lead out of what is served", count, losses)


HOSTILE = """async ([address, files]) => {
  const read = [];
  for (const path of files) {
    try {
      const text = await (await fetch(address + path)).text();
      read.push(`${path}: ${text.length} characters`);
    } catch (error) { }
  }
  const body = new FormData();
  body.append('file', new Blob(['x']), 'x');
  try {
    const how = {method: 'PUT', body, credentials: 'include'};
    const sent = await fetch(address + '/_stcore/upload_file/a/b', how);
    if (sent.ok) read.push('a file was uploaded');
  } catch (error) { }
  const opened = await new Promise((resolve) => {
    const socket = new WebSocket(address.replace('http', 'ws') + '/_stcore/stream');
    socket.onopen = () => resolve(true);
    socket.onerror = () => resolve(false);
  });
  if (opened) read.push('the WebSocket opened');
  return read;
}"""


def _in_a_browser(found: Server) -> Iterator[Row]:
    """A page of another site beside an open dashboard, in one browser, after what a button made."""
    with launched() as browser:
        context = browser.new_context(accept_downloads=True)
        page = context.new_page()
        files: list[str] = []
        page.on("request", lambda request: files.append(request.url) if "/media/" in request.url else None)
        page.goto(found.address + address(EXPORT, model="demo", plan="up=0.5"))
        page.wait_for_selector('[data-test-script-state="notRunning"]', timeout=60_000)
        links = page.get_by_test_id("stDownloadButton").locator("button")
        if links.count():
            with page.expect_download(timeout=60_000) as download:
                links.first.click()
            files.append(download.value.url)
        named = sorted({url.removeprefix(found.address) for url in files if url.startswith(found.address)})
        own = ask(int(found.address.rpartition(":")[2]), named[0], f"{FOREIGN}") if named else None
        losses = [f"{named[0]} is served to another host name"] if own and own.status == 200 else []
        for origin in ("http://strange.localhost:9", "about:blank"):
            stranger = context.new_page()
            stranger.route("http://strange.localhost:9/**", lambda route: route.fulfill(body="<p>hello"))
            stranger.goto(origin)
            read = stranger.evaluate(HOSTILE, [found.address, [*named, "/", "/_stcore/host-config"]])
            losses += [f"{origin} got through: {what}" for what in read]
        note = "" if named else "no download button was found, so that no made file was asked for"
        yield Row("a page of another site, in a browser", 2 * (len(named) + 4), losses, note=note)


NAMES = (
    "../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\x",
    "C:x",
    "NUL",
    "con",
    "aux.txt",
    "COM1",
    "lpt9.yaml",
    ".hidden",
    "x.",
    " x",
    "x ",
    "a\x00b",
    "a\nb",
    "‮x",
    "x" * 151,
    "é" * 100,
    "\ud800",
    "~",
    "~root/x",
)


def _names(store: Store) -> Row:
    """Names as people and addresses give them stay in the workspace, or are refused in a sentence."""
    losses, count, before = [], 0, {*store.root.parent.iterdir()}
    for name in NAMES:
        for asked in ((name, "x"), ("exports", name)):
            count += 1
            try:
                path = store.child(*asked)
            except PruningError:
                continue
            except Exception as error:
                losses.append(f"{asked!r}: {type(error).__name__}")
                continue
            if not _inside(path, store.root):
                losses.append(f"{asked!r} leads to {path}")
    losses += [f"{path} was made" for path in {*store.root.parent.iterdir()} - before]
    return Row("names that lead out of the workspace", count, losses)


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve()) and path.resolve() != root.resolve()
