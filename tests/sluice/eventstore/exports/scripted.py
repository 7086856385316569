"""An HTTP server that answers what a test says, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Event, Thread
from typing import Any

JSON = "application/json"


@dataclass
class Request:
    """What came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What goes back."""

    status: int = 200
    body: bytes = b"{}"
    kind: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    never_ends: bool = False
    """Sends a head that is longer than the body, and then nothing."""


def answered(value: Any, status: int = 200) -> Reply:
    """JSON."""
    return Reply(status, json.dumps(value).encode())


@dataclass
class Server:
    """One that runs."""

    url: str
    requests: list[Request]


@contextmanager
def serving(script: Callable[[Request], Reply], context: SSLContext | None = None) -> Iterator[Server]:
    """A server for as long as the block; with a ``context``, over TLS."""
    requests: list[Request] = []
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            names = {name.lower(): value for name, value in self.headers.items()}
            requests.append(Request(self.command, self.path, names, self.rfile.read(length)))
            reply = script(requests[-1])
            self.send_response(reply.status)
            self.send_header("content-type", reply.kind)
            self.send_header("content-length", str(len(reply.body) + reply.never_ends))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.never_ends:
                self.wfile.flush()
                over.wait(30)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Server(f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}", requests)
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
