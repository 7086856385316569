"""A script made into bytes and their moments: what the connection only has to play.

Every behaviour, also every misbehaviour, is a plan: a head, pieces a pace apart, and how it ends. Plans depend on
nothing but the script and the few fields of the request, so they are built once and played many times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Literal, NamedTuple

import orjson

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.coding import coded, padded
from sluice.dev.vendor.formats import format_of
from sluice.dev.vendor.parts import reports_usage, uncached
from sluice.dev.vendor.script import Script

End = Literal["keep", "close", "reset", "hang"]

JSON_TYPE = "application/json"

_GARBAGE_HEAD = b"\x16\x03\x01 this is not HTTP\r\n\r\n"
_GARBAGE_BODY = b'{"id": "chatcmpl-\xff\xfe", "choices": [{'
_WITHOUT_BODY = frozenset((204, 304))
_LAST_CHUNK = b"0\r\n\r\n"
_WITHOUT_RESPONSE = frozenset(("embedding", "embed", "embeds", "predict", "count", "count-tokens"))


class Told(NamedTuple):
    """What an answer says of its worth; the whole prompt and the whole response, whatever the format counts apart."""

    prompt_tokens: int | None
    response_tokens: int | None
    cached: int | None
    reasoning: int | None
    cache_write: int | None
    raw_usage: str


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
    usage: Told | None = None
    """Where the answer tells it."""
    body_bytes: int | None = None
    """Of all pieces, without what frames them; ``None`` where the plan does not bring them all."""
    is_endless: bool = False
    """Whether the pieces behind the first come again and again."""


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
        body_bytes=sum(map(len, whole)),
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
        frame = format_of(asked).garbage(asked)
        pieces = [*pieces[:1], frame, *pieces[1:]] if _is_stream(asked, script) else [_GARBAGE_BODY]
    if script.bomb_mib or script.coding:
        pieces = coded(padded(pieces, script.bomb_mib), script.coding)
    if script.drip:
        whole = b"".join(pieces)
        return [whole[start : start + script.drip] for start in range(0, len(whole), script.drip)]
    return pieces


def _pieces(asked: Asked, script: Script) -> list[bytes]:
    speaks = format_of(asked)
    if script.status >= 400:
        return [speaks.error_body(script.status)]
    if not asked.is_stream:
        return [speaks.whole_body(asked, script)]
    pieces = speaks.stream_pieces(asked, script)
    if _fails(asked, script):
        return [*pieces[: min(script.fail_after, len(pieces) - 1)], speaks.stream_error(asked)]
    return pieces[:-1] if _never_ends(asked, script) else pieces


def _is_stream(asked: Asked, script: Script) -> bool:
    return asked.is_stream and script.status < 400


def _fails(asked: Asked, script: Script) -> bool:
    return script.fail_after >= 0 and _is_stream(asked, script)


def _never_ends(asked: Asked, script: Script) -> bool:
    return bool(script.endless) and _is_stream(asked, script)


def _usage(asked: Asked, script: Script) -> Told | None:
    if not reports_usage(asked, script) or (script.garbage and not asked.is_stream):
        return None
    if _fails(asked, script) or _never_ends(asked, script):
        return None
    response_tokens = 0 if asked.kind in _WITHOUT_RESPONSE or "embed" in asked.variant else script.response_tokens
    told = format_of(asked).usage(asked, script)
    if not told:
        return None
    prompt = script.prompt_tokens
    if asked.format in {"anthropic", "bedrock"}:  # whose parts are counted one by one
        prompt = uncached(script) + script.cached + script.cache_write
    raw = orjson.dumps(told).decode()
    return Told(prompt, response_tokens, script.cached, script.reasoning, script.cache_write, raw)


def _framing(asked: Asked, script: Script) -> str:
    return script.framing or ("chunked" if _is_stream(asked, script) else "length")


def _head(asked: Asked, script: Script, size: int) -> bytes:
    speaks, is_error = format_of(asked), script.status >= 400
    head = _status_line(
        script.status, JSON_TYPE if is_error else speaks.content_type(asked, is_stream=_is_stream(asked, script))
    )
    for name, value in () if is_error else speaks.headers(asked, script):
        head += f"{name}: {value}\r\n".encode("latin-1", "replace")
    if script.retry_after:
        head += b"retry-after: " + script.retry_after.encode("latin-1", "replace") + b"\r\n"
    if script.coding:
        head += b"content-encoding: " + script.coding.encode() + b"\r\n"
    return head + _framing_headers(asked, script, size)


def _framing_headers(asked: Asked, script: Script, size: int) -> bytes:
    framing = _framing(asked, script)
    head = b""
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
    if _never_ends(asked, script):
        return replace(plan, is_whole=False, is_endless=True, body_bytes=None)
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
    return replace(plan, pieces=pieces, end=end, is_whole=False, usage=told, body_bytes=None)


def _framed(plan: Plan, asked: Asked, script: Script) -> Plan:
    """The pieces as chunks; the last chunk comes with the last piece, and never where the plan breaks off."""
    if _framing(asked, script) != "chunked":
        return plan
    pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in plan.pieces if piece]
    if plan.end not in {"reset", "hang"} and plan.is_whole:
        pieces = [*pieces[:-1], b"".join([*pieces[-1:], _LAST_CHUNK])]
    return replace(plan, pieces=tuple(pieces))
