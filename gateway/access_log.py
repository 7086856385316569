"""The access log: a line of JSON for each exchange, for those who want one beside the events.

Lines are made behind the last byte and kept in memory, within a bound; a few times a second a thread writes what there
is. A disk or a reader that is slow, full or gone costs lines, which are counted, and never an exchange. No line has a
body, a header, a query or a credential; what an app's policy hides from events is hidden here too.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import structlog

from sluice.clock import iso_micros

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.recording.keeping import Keeping
    from gateway.settings import AccessLogSettings
    from gateway.telemetry import GatewayMetrics

CLOSE_SECONDS = 1.0
"""How long a worker that stops waits for its last lines."""
_INTERVAL_SECONDS = 0.25
_MAX_PATH = 2_048
_MAX_TEXT = 256
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What JSON lets stand, and terminals or readers of lines take for more than text."""

logger = structlog.get_logger(__name__)


class Target(Protocol):
    """Where lines go; called in a thread, never twice at once."""

    def write(self, data: bytes) -> None:
        """All of it; raises OSError."""
        ...


class AccessLog:
    """Of one worker."""

    def __init__(
        self,
        settings: AccessLogSettings,
        target: Target,
        keeping: Keeping,
        metrics: GatewayMetrics,
        worker: str,
    ) -> None:
        self._target = target
        self._keeping = keeping
        self._metrics = metrics
        self._worker = worker
        self._max_bytes = settings.max_queued_bytes
        self._lines: list[bytes] = []
        self._queued_bytes = 0
        self._writing: asyncio.Future[bool] | None = None
        self._in_hand = 0
        self._fails = False

    def note(self, exchange: Exchange) -> None:
        """One more line, or one that is dropped; never waits."""
        if self._queued_bytes >= self._max_bytes:
            self._metrics.access_lines.add(1, "dropped")
            return
        line = line_of(exchange, self._keeping, self._worker)
        self._lines.append(line)
        self._queued_bytes += len(line)

    async def run(self) -> None:
        """Write what there is, for as long as the worker lives."""
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self._write()

    async def close(self) -> None:
        """Write the last lines, within a second; what is left is counted. Behind ``run``."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._write()  # what a cancelled ``run`` had in hand
                await self._write()
        except TimeoutError:
            pass
        if lost := len(self._lines) + self._in_hand:
            self._metrics.access_lines.add(lost, "unsent")

    async def _write(self) -> None:
        if self._writing is None:
            if not self._lines:
                return
            lines, self._lines = self._lines, []
            self._in_hand = len(lines)
            self._writing = _in_daemon(lambda: self._target.write(b"".join(lines)))
        succeeded = await asyncio.shield(self._writing)
        self._metrics.access_lines.add(self._in_hand, "written" if succeeded else "failed")
        self._queued_bytes = sum(map(len, self._lines))
        self._writing, self._in_hand = None, 0
        self._told(fails=not succeeded)

    def _told(self, *, fails: bool) -> None:
        """Say once that lines are lost, and once that they are written again."""
        if fails and not self._fails:
            logger.warning("access log cannot be written", remedy="see access_log.file, its disk and its rights")
        elif self._fails and not fails:
            logger.info("access log is written again")
        self._fails = fails


def line_of(exchange: Exchange, keeping: Keeping, worker: str) -> bytes:
    """An exchange as a line of JSON with its end."""
    llm, app, usage = exchange.llm, exchange.app, exchange.usage
    policy = keeping.policy(app.bodies) if app is not None else "metadata"
    ended_ns = exchange.upstream_ended_ns or exchange.terminal_ns
    started_ns, asked_ns, answered_ns = exchange.started_ns, exchange.upstream_started_ns, exchange.first_byte_ns
    fields: dict[str, Any] = {
        "time": _time(exchange.occurred_at),
        "worker": worker,
        "exchange_id": exchange.exchange_id,
        "request_id": exchange.request_id,
        "trace_id": exchange.trace_id,
        "app_id": app.id if app else None,
        "llm": (llm.slug if llm else exchange.route.slug)[:_MAX_TEXT],
        "served_by": exchange.served_by.slug if exchange.served_by else None,
        "model": (exchange.response_model or exchange.model or "")[:_MAX_TEXT],
        "route": exchange.route.intent,
        "method": exchange.method[:_MAX_TEXT],
        "path": keeping.path(policy, exchange.path[:_MAX_PATH]),
        "status": exchange.response_code,
        "outcome": exchange.outcome or "gateway_error",
        "error": exchange.error_kind or None,
        "stream": exchange.is_stream,
        "partial": exchange.partial,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "response_tokens": usage.response_tokens if usage else None,
        "cost_nanos": exchange.cost_nanos,
        "cost_status": exchange.cost_status or None,
        "total_micros": exchange.elapsed_micros(),
        "upstream_micros": (ended_ns - asked_ns) // 1_000 if asked_ns and ended_ns else None,
        "first_byte_micros": (answered_ns - started_ns) // 1_000 if answered_ns else None,
        "request_bytes": len(exchange.body),
        "response_bytes": exchange.response_bytes,
        "remote_addr": "" if policy == "none" else exchange.remote_addr,
    }
    return encode_line(fields)


def _time(micros: int) -> str:
    """RFC 3339; written out once a second."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{_second(seconds)}{rest:06d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return iso_micros(seconds * 1_000_000)[:-7]


def encode_line(fields: dict[str, Any]) -> bytes:
    """One line, whatever is in the texts."""
    try:
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half of a surrogate pair, or a number beyond 64 bits
        return json.dumps(fields).encode() + b"\n"
    if line.isascii() and b"\x7f" not in line:
        return line
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()


def _in_daemon(call: Callable[[], None]) -> asyncio.Future[bool]:
    """Whether a call in a thread of its own succeeded. A thread that hangs for ever does not keep the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()

    def end(succeeded: bool) -> None:
        if not future.done():
            future.set_result(succeeded)

    def run() -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - counted by who waits
            succeeded = False
        else:
            succeeded = True
        try:
            loop.call_soon_threadsafe(end, succeeded)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    threading.Thread(target=run, name="access-log", daemon=True).start()
    return future
