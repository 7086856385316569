"""The same request with the same ``Idempotency-Key`` is done once, and answered the same each time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.control.api.problems import Problem, invalid
from gateway.control.errors import ControlError

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.control.idempotency import Idempotency, IdempotentAnswer

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
UNDER_WAY = 0
"""The status that a claimed key has before its answer."""


@dataclass(frozen=True, slots=True)
class Made:
    """An answer that made something: what goes out, and what may be kept and given again (no secret)."""

    status: int
    body: bytes
    kept_body: bytes


def idempotency_key(request: Request) -> str | None:
    """The header, checked; ``None`` where there is none."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters without spaces, e.g. a UUID")
    return key


def fingerprint(method: str, path: str, body: bytes) -> str:
    """SHA-256 of what makes two requests the same."""
    return hashlib.sha256(b"\x00".join((method.encode(), path.encode("utf-8", "surrogatepass"), body))).hexdigest()


async def once(
    keys: Idempotency, token_id: int, key: str, request_sha256: str, make: Callable[[], Awaitable[Made]]
) -> tuple[Made, bool]:
    """What ``make`` answers, or what it answered; and whether that is so.

    A key whose request was refused is free again; where it is not sure that nothing was made, it is not. Raises a
    ``Problem`` where the key stands for another request, or for one that is under way.
    """
    found = await keys.claim(token_id, key, request_sha256)
    if found is not None:
        _check(found, request_sha256)
        return Made(found.status, found.body, found.body), True
    try:
        made = await make()
    except (Problem, ControlError):
        await keys.release(token_id, key)
        raise
    await keys.put(token_id, key, request_sha256, made.status, made.kept_body)
    return made, False


def _check(found: IdempotentAnswer, request_sha256: str) -> None:
    if found.request_sha256 != request_sha256:
        message = "this Idempotency-Key was used for another request; choose another"
        raise Problem(409, "idempotency_key_reused", message, error="Key used", field="Idempotency-Key")
    if found.status == UNDER_WAY:
        message = "the request with this Idempotency-Key is under way; ask again"
        raise Problem(409, "idempotency_key_in_use", message, error="Under way", headers={"retry-after": "1"})
