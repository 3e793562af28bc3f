"""Webhooks as these tests make and read them, and somebody who is pinged."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from harbour import HARBOUR
from wire import Wire

HOOKS = f"/v0/bases/{HARBOUR}/webhooks"


def specification(*data_types: str, includes: dict | None = None, **filters: object) -> dict:
    options: dict = {"filters": {"dataTypes": list(data_types or ("tableData",)), **filters}}
    return {"options": {**options, "includes": includes} if includes else options}


@dataclass
class Hook:
    wire: Wire
    id: str
    secret: str

    @classmethod
    def create(cls, wire: Wire, *data_types: str, url: str | None = None, includes: dict | None = None, **filters: object) -> Hook:
        asked: dict = {"specification": specification(*data_types, includes=includes, **filters)}
        made = wire.good("POST", HOOKS, asked if url is None else {**asked, "notificationUrl": url})
        return cls(wire, made["id"], made["macSecretBase64"])

    @property
    def path(self) -> str:
        return f"{HOOKS}/{self.id}"

    def told(self) -> dict:
        """As the list of the base's webhooks tells it."""
        return next(hook for hook in self.wire.good("GET", HOOKS)["webhooks"] if hook["id"] == self.id)

    def page(self, query: str = "") -> dict:
        return self.wire.good("GET", f"{self.path}/payloads{query}")

    def payloads(self, cursor: int = 1) -> list[dict]:
        """All from `cursor` on; that the numbers have no gaps is checked on the way."""
        found: list[dict] = []
        while True:
            page = self.page(f"?cursor={cursor}")
            found += page["payloads"]
            assert page["cursor"] == cursor + len(page["payloads"]), "the number after the last payload"
            cursor = page["cursor"]
            if not page["mightHaveMore"]:
                return found

    def only(self, cursor: int = 1) -> dict:
        payloads = self.payloads(cursor)
        assert len(payloads) == 1, payloads
        return payloads[0]

    def changes(self, table: str, cursor: int = 1) -> dict:
        """What the only payload tells of this table, which is all it tells of."""
        payload = self.only(cursor)
        assert set(payload["changedTablesById"]) == {table}, payload
        return payload["changedTablesById"][table]


@dataclass
class Ping:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens on this machine, keeps what arrives, and answers with `status`."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.pings: queue.Queue[Ping] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receiver.pings.put(Ping(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Receiver:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def next(self, within_seconds: float = 10) -> Ping:
        return self.pings.get(timeout=within_seconds)

    def drain(self) -> None:
        while not self.pings.empty():
            self.pings.get_nowait()
