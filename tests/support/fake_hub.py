"""A stand-in for the hub on a local port, as far as looking up and downloading a model goes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def fake_hub(models: dict[str, Path], broken: str | None = None) -> Iterator[str]:
    """Serves the folders in `models` by hub id at the address it gives; the file `broken` fails."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_HEAD(self) -> None:
            self.answer()

        def answer(self) -> None:
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"] and "/".join(parts[2:4]) in models:
                self.send(json.dumps(_info("/".join(parts[2:4]), models)).encode())
                return
            name, file = "/".join(parts[:2]), parts[-1]
            if name in models and (models[name] / file).is_file() and file != broken:
                self.send((models[name] / file).read_bytes(), file)
                return
            self.send_response(403 if file == broken else 404)
            if file != broken:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send(self, body: bytes, file: str = "") -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if file:
                self.send_header("X-Repo-Commit", REVISION)
                self.send_header("ETag", f'"{file}-{len(body)}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run_with_hub(code: str, endpoint: str, home: Path, **environment: str) -> str:
    """Run `code` in a fresh Python whose hub is at `endpoint`, as that is read at import; its last line."""
    settings = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home / "hf"),
        "PRUNESCOPE_HOME": str(home / "prunescope"),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **settings},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def _info(name: str, models: dict[str, Path]) -> dict:
    config = json.loads((models[name] / "config.json").read_text())
    files = [path for path in models[name].iterdir() if path.is_file()]
    return {
        "_id": "1",
        "id": name,
        "modelId": name,
        "sha": REVISION,
        "private": False,
        "config": {"architectures": config["architectures"], "model_type": config["model_type"]},
        "safetensors": {"parameters": {"F32": 52448}, "total": 52448},
        "siblings": [{"rfilename": path.name, "size": path.stat().st_size} for path in files],
    }
