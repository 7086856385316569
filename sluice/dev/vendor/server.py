"""The scripted vendor as a server: one for demo, tests and benchmarks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluice.clock import now_micros
from sluice.dev.vendor.connection import Connection
from sluice.dev.vendor.formats import FORMATS, Format, anthropic, format_of_path, is_known
from sluice.dev.vendor.formats.interface import RefusedError
from sluice.dev.vendor.plan import Plan, Told, json_plan, plan_of
from sluice.dev.vendor.script import HEADER, Script, ScriptError, make_script, parse_script
from sluice.dev.vendor.served import MAX_REQUESTS, SeenRequest, Served, ServedLog
from sluice.dev.vendor.wire import Request

LOG_PATH = "/__log"
_BACKLOG = 2048
_NOTHING_TOLD = Told(None, None, None, None, None, "")
_SCRIPT_HEADER = HEADER.encode()


class MockVendor:
    """Every vendor's format on one loopback port, by the request's path.

    It does what ``defaults`` and each request's ``x-mock`` header say.

    ``served`` is what it did, ``requests`` the newest requests as they arrived. ``defaults`` may be changed while it
    runs: it holds for requests that arrive afterwards.
    """

    def __init__(self, defaults: Mapping[str, Any] | Script | None = None, log_path: Path | None = None) -> None:
        self.defaults = defaults if isinstance(defaults, Script) else make_script(defaults or {})
        self.requests: deque[SeenRequest] = deque(maxlen=MAX_REQUESTS)
        self._log = ServedLog(log_path)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._host = ""
        self._port = 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen; port 0 takes a free one. Raises OSError where the port is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self._answer, self._log.finish, self._connections), host, port, backlog=_BACKLOG
        )
        self._host, self._port = host, self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, break what is open, finish the log."""
        if self._server is None:
            return
        self._server.close()
        self.disconnect()
        await self._server.wait_closed()
        self._log.close()
        self._server = None

    def disconnect(self) -> None:
        """Reset every open connection, as a vendor that crashes does."""
        for connection in list(self._connections):
            connection.reset()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def url(self) -> str:
        """What to configure as an LLM's ``base_url``, or as an SDK's."""
        return f"http://{self._host}:{self._port}/v1"

    @property
    def origin(self) -> str:
        """The same without OpenAI's base path: where the paths of other vendors begin."""
        return f"http://{self._host}:{self._port}"

    @property
    def served(self) -> deque[Served]:
        """The newest requests that a script answered, oldest first; entries of unfinished ones still change."""
        return self._log.entries

    @property
    def served_count(self) -> int:
        """How many there were, also beyond those remembered."""
        return self._log.count

    def served_for(self, exchange_id: str) -> list[Served]:
        """The requests that carried this exchange id."""
        return [served for served in self.served if served.exchange_id == exchange_id]

    def _answer(self, request: Request) -> tuple[Plan, Served | None]:
        target, _, query = request.target.decode("latin-1").partition("?")
        speaks = format_of_path(target)
        if request.method != b"POST" or not is_known(target):
            return self._other(request, target, speaks), None
        self.requests.append(_seen(request, target))
        try:
            return self._scripted(speaks, target, query, request)
        except ScriptError as error:
            return json_plan(400, speaks.error_body(400, f"{HEADER}: {error}")), None
        except RefusedError as error:
            return json_plan(error.status, speaks.error_body(error.status, str(error))), None
        except ValueError as error:
            return json_plan(400, speaks.error_body(400, str(error))), None

    def _scripted(self, speaks: Format, path: str, query: str, request: Request) -> tuple[Plan, Served]:
        text = request.headers.get(_SCRIPT_HEADER)
        script = parse_script(text.decode("latin-1"), self.defaults) if text else self.defaults
        asked = speaks.ask(path, query, request)
        plan = plan_of(asked, script)
        exchange_id = request.headers.get(b"x-sluice-exchange-id", b"").decode("latin-1")
        told = plan.usage or _NOTHING_TOLD
        served = Served(
            self._log.count + 1, exchange_id, path, asked.model, asked.is_stream, plan.status, now_micros(),
            told.prompt_tokens, told.response_tokens, told.cached, told.reasoning, False, told.cache_write,
            script.tool_calls * asked.choices, asked.choices, told.raw_usage, asked.format, asked.kind,
            plan.body_bytes, asked.signed,
        )  # fmt: skip
        self._log.add(served)
        return plan, served

    def _other(self, request: Request, path: str, speaks: Format) -> Plan:
        if request.method == b"GET" and path == LOG_PATH:
            return json_plan(200, self._log.json_lines(), "application/x-ndjson")
        if request.method == b"GET" and (body := _models(request, path)) is not None:
            return json_plan(200, body)
        return json_plan(
            404, speaks.error_body(404, f"the mock vendor has no {request.method.decode('latin-1')} {path}")
        )


def _models(request: Request, path: str) -> bytes | None:
    """A list of models: Anthropic's and OpenAI's have the same path, and only one of them has versions."""
    if b"anthropic-version" in request.headers:
        return anthropic.models_body(path)
    found = (speaks.models_body(path) for speaks in FORMATS if speaks is not anthropic)
    return next((body for body in found if body is not None), None)


def _seen(request: Request, path: str) -> SeenRequest:
    return SeenRequest(request.method.decode("latin-1"), path, request.head, request.body)
