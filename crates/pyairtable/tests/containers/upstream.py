"""An Airtable and a model in one that never work, each time in another way."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FailingUpstream:
    MODES = ["refuse", "break", "rubbish", "cut"]

    def __init__(self, address: str) -> None:
        self.mode = "refuse"
        self.seen = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.seen += f"{self.path}\n{self.headers}\n"
                if outer.mode == "cut":
                    self.close_connection = True
                    return
                status, body = {
                    "refuse": (401, b'{"error":{"type":"AUTHENTICATION_REQUIRED","message":"Authentication required"}}'),
                    "break": (500, b"<html>Internal Server Error</html>"),
                    "rubbish": (200, b"\x00\xffnot JSON"),
                }[outer.mode]
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
