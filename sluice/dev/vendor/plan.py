"""A script made into bytes and their moments: what the connection only has to play.

Every behaviour, also every misbehaviour, is a plan: a head, pieces a pace apart, and how it ends. Plans depend on
nothing but the script and the few fields of the request, so they are built once and played many times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Literal

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.bodies import error_body, stream_pieces, whole_body
from sluice.dev.vendor.parts import reports_usage
from sluice.dev.vendor.script import Script

End = Literal["keep", "close", "reset", "hang"]

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream; charset=utf-8"

_GARBAGE_HEAD = b"\x16\x03\x01 this is not HTTP\r\n\r\n"
_GARBAGE_BODY = b'{"id": "chatcmpl-\xff\xfe", "choices": [{'
_GARBAGE_FRAME = b"data: {not json\n\n: \xff\xfe\n\n"
_WITHOUT_BODY = frozenset((204, 304))
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request is answered with."""

    status: int
    head: bytes
    """Status line and headers, without the empty line: the connection adds the answer's number. Empty: no head."""
    pieces: tuple[bytes, ...] = ()
    end: End = "keep"
    delay_seconds: float = 0.0
    pace_seconds: float = 0.0
    is_whole: bool = True
    """Whether the client has, when the last piece is out, what it was promised."""
    usage: tuple[int, int, int, int] | None = None
    """Prompt, response, cached and reasoning tokens, where the answer tells them."""


@lru_cache(maxsize=256)
def plan_of(asked: Asked, script: Script) -> Plan:
    """The plan of a request that was understood."""
    if script.hang == "head":
        return Plan(script.status, b"", end="hang", is_whole=False, delay_seconds=script.delay_ms / 1000)
    if script.garbage in {"1", "head"}:
        return Plan(0, b"", (_GARBAGE_HEAD,), "close", script.delay_ms / 1000, is_whole=False)
    whole = _body(asked, script)
    plan = Plan(
        status=script.status,
        head=_head(asked, script, sum(map(len, whole))),
        pieces=tuple(whole),
        end="close" if script.close or script.length or _framing(asked, script) == "eof" else "keep",
        delay_seconds=script.delay_ms / 1000,
        pace_seconds=script.pace_ms / 1000,
        is_whole=not script.length,
        usage=_usage(asked, script),
    )
    return _framed(_broken(plan, asked, script), asked, script)


def json_plan(status: int, body: bytes, content_type: str = JSON_TYPE) -> Plan:
    """An answer outside every script: the list of models, the log, a refusal."""
    return Plan(status, _status_line(status, content_type) + b"content-length: %d\r\n" % len(body), (body,))


def _body(asked: Asked, script: Script) -> list[bytes]:
    if script.status in _WITHOUT_BODY:
        return []
    pieces = _pieces(asked, script)
    if script.garbage == "body":
        pieces = [*pieces[:1], _GARBAGE_FRAME, *pieces[1:]] if _is_stream(asked, script) else [_GARBAGE_BODY]
    if script.drip:
        whole = b"".join(pieces)
        return [whole[start : start + script.drip] for start in range(0, len(whole), script.drip)]
    return pieces


def _pieces(asked: Asked, script: Script) -> list[bytes]:
    if script.status >= 400:
        return [error_body(script.status)]
    return stream_pieces(asked, script) if asked.is_stream else [whole_body(asked, script)]


def _is_stream(asked: Asked, script: Script) -> bool:
    return asked.is_stream and script.status < 400


def _usage(asked: Asked, script: Script) -> tuple[int, int, int, int] | None:
    if not reports_usage(asked, script) or (script.garbage and not asked.is_stream):
        return None
    response_tokens = 0 if asked.kind == "embedding" else script.response_tokens
    return script.prompt_tokens, response_tokens, script.cached, script.reasoning


def _framing(asked: Asked, script: Script) -> str:
    return script.framing or ("chunked" if _is_stream(asked, script) else "length")


def _head(asked: Asked, script: Script, size: int) -> bytes:
    head = _status_line(script.status, SSE_TYPE if _is_stream(asked, script) else JSON_TYPE)
    if script.retry_after:
        head += b"retry-after: " + script.retry_after.encode("latin-1", "replace") + b"\r\n"
    framing = _framing(asked, script)
    if framing == "chunked":
        head += b"transfer-encoding: chunked\r\n"
    elif framing == "length" and script.status not in _WITHOUT_BODY:
        for declared in _declared_lengths(script, size):
            head += b"content-length: %d\r\n" % declared
    return head + (b"connection: close\r\n" if script.close == "1" or framing == "eof" else b"")


def _declared_lengths(script: Script, size: int) -> tuple[int, ...]:
    return {"short": (size - 1,), "long": (size + 1,), "conflict": (size, size + 1)}.get(script.length, (size,))


def _status_line(status: int, content_type: str) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\nserver: sluice-mock-vendor\r\ncontent-type: {content_type}\r\n".encode()


def _broken(plan: Plan, asked: Asked, script: Script) -> Plan:
    """The plan, broken off where the script says: by pieces on a stream, by bytes in a plain body."""
    if script.cut_after < 0 and script.hang != "body":
        return plan
    end: End = "hang" if script.hang == "body" else script.cut
    if _is_stream(asked, script) or script.drip:
        kept = script.cut_after if script.cut_after >= 0 else len(plan.pieces) // 2
        pieces = plan.pieces[:kept]
    else:
        whole = b"".join(plan.pieces)
        kept = script.cut_after if script.cut_after >= 0 else len(whole) // 2
        pieces = (whole[:kept],) if kept else ()
    told = plan.usage if sum(map(len, pieces)) == sum(map(len, plan.pieces)) else None
    return replace(plan, pieces=pieces, end=end, is_whole=False, usage=told)


def _framed(plan: Plan, asked: Asked, script: Script) -> Plan:
    """The pieces as chunks; the last chunk comes with the last piece, and never where the plan breaks off."""
    if _framing(asked, script) != "chunked":
        return plan
    pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in plan.pieces if piece]
    if plan.end not in {"reset", "hang"} and plan.is_whole:
        pieces = [*pieces[:-1], b"".join([*pieces[-1:], _LAST_CHUNK])]
    return replace(plan, pieces=tuple(pieces))
