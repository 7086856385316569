"""``sluice collectors``: asks a running ``sluice collect`` how its services stand, and pauses and resumes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from collectors.errors import Retryable
from collectors.operations.moments import ago
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.settings import ServerSettings, Settings

_ACTIONS = ("pause", "resume")
_TIMEOUT_SECONDS = 10.0
_MAX_ANSWER_BYTES = 8 << 20
_PIECE_BYTES = 64 << 10
_WELL = ("running", "paused")


def server_of(url: str, file: Path, note: Callable[[str], None] = lambda _: None) -> tuple[str, str]:
    """URL and token: of the option, else as the file says; raises UsageError.

    Where the URL is given, a file that collectors refuse keeps nobody from asking them why; that is noted.
    """
    try:
        settings = settings_of(file, Settings).server if file.exists() or not url else ServerSettings()
    except UsageError as error:
        if not url:
            raise UsageError(f"{error}\nname the server with --url to ask it in spite of that") from error
        note(f"{error}\nso no token is shown")
        settings = ServerSettings()
    token = settings.token.get_secret_value()
    if url:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"--url: {url!r} must be http://HOST:PORT of a running sluice collect")
        return url.rstrip("/"), token
    if not settings.port:
        raise UsageError(f"{file}: server.port is 0, so it is not known; name the server with --url")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}", token


async def collectors(file: Path, url: str, service: str, action: str, printer: Printer) -> int:
    """``sluice collectors``."""
    if action and action not in _ACTIONS:
        raise UsageError(f"{action!r} is none of {', '.join(_ACTIONS)}")
    base, token = server_of(url, file, printer.note)
    path = f"/services/{quote(service, safe='')}" if service else "/services"
    if action:
        path += f"/{action}"
    status, answer = await _ask(base, path, token, method="POST" if action else "GET")
    if status == 404:
        raise UsageError(str(answer.get("error", f"{base} is no server of sluice collect")))
    if status != 200:
        printer.note(f"{base} refuses ({status}): {answer.get('error', 'no reason given')}")
        return WRONG
    found = [answer] if service else answer.get("services", [])
    is_well = tell_beside(answer, printer)
    return max(show(found, printer, is_whole=bool(service)), OK if is_well else WRONG)


def tell_beside(answer: Mapping[str, Any], printer: Printer) -> bool:
    """What is to be known beside the services: a configuration that is not taken up, and workers that do not answer,
    which alone make it unwell."""
    configuration = answer.get("configuration") or {}
    if configuration.get("state", "current") != "current":
        waiting = [f"{name}: {why}" for name, why in (configuration.get("waiting") or {}).items()]
        reasons = "; ".join([*configuration.get("problems", ()), *waiting])
        printer.note(f"configuration {configuration.get('source')} is {configuration['state']}: {reasons}")
    silent = {at: how for at, how in (answer.get("workers") or {}).items() if "answer" in how}
    for at, how in silent.items():
        printer.note(f"worker {at} {how}")
    return not silent


async def _ask(base: str, path: str, token: str, method: str) -> tuple[int, Mapping[str, Any]]:
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    remedy = "is sluice collect running? check server.host and server.port of collectors.yaml, or --url"
    try:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, base + path, headers=headers, allow_redirects=False) as response,
        ):
            document = orjson.loads(await _body_of(response))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise Retryable(f"{base} does not answer ({type(error).__name__}): {remedy}") from error
    if not isinstance(document, dict):
        raise Retryable(f"{base} answers something else: {remedy}")
    return response.status, document


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    """To its end: one read gives what has come so far."""
    body = bytearray()
    async for piece in response.content.iter_chunked(_PIECE_BYTES):
        body += piece
        if len(body) > _MAX_ANSWER_BYTES:
            raise ValueError("endless")
    return bytes(body)


def show(found: Sequence[Mapping[str, Any]], printer: Printer, *, is_whole: bool) -> int:
    """1 where a service is neither running nor paused by an operator."""
    if printer.as_json:
        for each in found:
            printer.object(each)
    elif is_whole:
        for each in found:
            _show_whole(each, printer)
    else:
        columns = ["service", "state", "lag", "behind", "to loss", "rate/s", "oldest", "partitions", "last error"]
        printer.table(columns, [_row(each) for each in found])
    return OK if all(each.get("state") in _WELL for each in found) else WRONG


def _row(each: Mapping[str, Any]) -> Sequence[Any]:
    last = each.get("last_error") or {}
    return (
        each.get("service"),
        each.get("state"),
        each.get("lag_records"),
        ago(each.get("lag_seconds")),
        ago(each.get("seconds_to_loss")),
        each.get("records_per_second"),
        ago(each.get("oldest_unfinished_seconds")),
        len(each.get("assignment", ())),
        f"{ago(last['seconds_ago'])} ago, {last['where']}: {last['reason']}" if last else None,
    )


def _show_whole(each: Mapping[str, Any], printer: Printer) -> None:
    for name, value in each.items():
        if isinstance(value, dict):
            text = ", ".join(f"{key} {found}" for key, found in value.items())
        elif isinstance(value, list):
            text = ", ".join(map(str, value))
        else:
            text = "-" if value is None else str(value)
        printer.line(f"{name:<26} {text or '-'}")
