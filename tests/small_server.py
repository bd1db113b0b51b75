"""A small HTTP server that stands in for one that a test has none of, in a thread of its own while it is wanted."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar


class SmallServer(ThreadingHTTPServer):
    """At a free port of this machine."""

    daemon_threads = True

    def __init__(self, handler: type["Answering"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """Answers with text, or with JSON as API servers write it; logs nothing."""

    def answer(self, status: int, body: Any) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...


Server = TypeVar("Server", bound=SmallServer)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """A server while it serves."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
