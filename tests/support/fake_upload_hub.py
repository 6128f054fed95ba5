"""A stand-in for the hub on a local port, as far as uploading a folder goes."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_for_tests"


@dataclass
class Taken:
    """What the hub was given: its address, models with their files, and which of them are private."""

    address: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    commits: int = 0
    large: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def fake_upload_hub(fails: bool = False) -> Iterator[Taken]:
    """Serves a hub that takes what the bearer of `TOKEN` uploads; with `fails`, no commit."""
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer({"error": "Invalid credentials"}, 401)
            if self.path.startswith("/api/whoami-v2"):
                return self.answer({"type": "user", "name": "ann", "auth": {"type": "access_token"}})
            name = "/".join(self.path.split("/")[3:5])
            if name not in taken.files:
                return self.answer({"error": "Repository not found"}, 404)
            rows = [{"type": "file", "path": path, "size": 1, "oid": "0" * 40} for path in taken.files[name]]
            if "/tree/" in self.path:
                return self.answer(rows)
            siblings = [{"rfilename": row["path"]} for row in rows]
            return self.answer({"_id": "1", "id": name, "sha": "0" * 40, "siblings": siblings})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                name = "/".join(filter(None, (asked.get("organization") or "ann", asked["name"])))
                taken.files.setdefault(name, {".gitattributes": b""})
                secret = asked.get("private", asked.get("visibility") == "private")
                taken.private.setdefault(name, bool(secret))
                return self.answer({"url": f"{taken.address}/{name}", "name": name})
            if self.path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            if self.path.endswith("/objects/batch"):
                objects = [
                    {**entry, "actions": {"upload": {"href": f"{taken.address}/large/{entry['oid']}"}}}
                    for entry in json.loads(body)["objects"]
                ]
                return self.answer({"transfer": "basic", "objects": objects})
            name = "/".join(self.path.split("/")[3:5])
            if "/preupload/" in self.path:
                mode = {True: "lfs", False: "regular"}
                asked_files = json.loads(body)["files"]
                rows = [
                    {
                        "path": f["path"],
                        "uploadMode": mode[f["path"].endswith(".safetensors")],
                        "shouldIgnore": False,
                    }
                    for f in asked_files
                ]
                return self.answer({"files": rows})
            if "/commit/" in self.path and not fails:
                self.take(name, body)
                taken.commits += 1
                return self.answer({"commitUrl": f"{taken.address}/{name}/commit/1", "commitOid": "1" * 40})
            return self.answer({"error": "Out of order"}, 500)

        def do_PUT(self) -> None:
            oid = self.path.rpartition("/")[2]
            taken.large[oid] = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer({})

        def take(self, name: str, body: bytes) -> None:
            for line in body.decode().splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    taken.files[name][value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    taken.files[name][value["path"]] = taken.large[value["oid"]]

        def answer(self, value: object, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
