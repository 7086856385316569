"""ClickHouse's HTTP interface, as far as our sink uses it, before the real engine: run by a Python that has ``chdb``.

``python chdb_front.py FOLDER`` prints its port and serves until its input ends. It stands alone: nothing of ours is
imported, so that the engine (some 830 MB with what it needs) can be in an environment of its own.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_OF_HTTP = ("query", "wait_end_of_query", "database")
_ONE_AT_A_TIME = threading.Lock()
_CODE = re.compile(r"Code: (\d+)\.")


class Handler(BaseHTTPRequestHandler):
    """One request is one statement; rows follow it in the body."""

    protocol_version = "HTTP/1.1"
    session: Any

    def do_POST(self) -> None:
        """Run it."""
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        statement, rows = (query["query"], body.decode()) if "query" in query else (body.decode(), "")
        try:
            self._answer(200, self._run(_with_parameters(statement, query), _settings(query), rows).encode())
        except Exception as error:  # noqa: BLE001 - the engine's exceptions are the answer
            code = _CODE.search(str(error))
            self._answer(500, str(error).encode(), code[1] if code else "")

    def _run(self, statement: str, settings: str, rows: str) -> str:
        if statement.startswith("INSERT") and settings:
            statement = statement.replace(" FORMAT ", f" SETTINGS {settings} FORMAT ", 1)
        with _ONE_AT_A_TIME:
            found = self.session.query(f"{statement}\n{rows}" if rows else statement, "TabSeparated")
        return str(found)

    def _answer(self, status: int, body: bytes, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


def _settings(query: dict[str, str]) -> str:
    own = {name: value for name, value in query.items() if name not in _OF_HTTP and not name.startswith("param_")}
    return ", ".join(f"{name} = {value if value.isdigit() else _quoted(value)}" for name, value in own.items())


def _with_parameters(statement: str, query: dict[str, str]) -> str:
    for name, value in query.items():
        if name.startswith("param_"):
            statement = statement.replace(f"{{{name.removeprefix('param_')}:String}}", _quoted(value))
    return statement


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main(folder: str) -> None:
    """Serve until whoever started us is gone."""
    session = import_module("chdb.session")

    Handler.session = session.Session(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)  # the engine's own way out may wait for its threads for ever


if __name__ == "__main__":
    main(sys.argv[1])
