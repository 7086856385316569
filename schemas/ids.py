"""Ids: an exchange's, its events', and what a client may call its request."""

from __future__ import annotations

import random
import re
import time
import uuid

_random = random.Random()  # seeded by the operating system; ids need to be unique, not secret
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def new_exchange_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits, so ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    bits = _random.getrandbits(74)
    value = (milliseconds << 80) | (0x7 << 76) | ((bits >> 62) << 64) | (0x2 << 62) | (bits & 0x3FFFFFFFFFFFFFFF)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_boot_id() -> str:
    """A random id for one life of one worker process."""
    return uuid.uuid4().hex


def is_request_id(text: str) -> bool:
    """Whether a client's ``X-Request-ID`` is well formed: 1 to 128 characters of ``[A-Za-z0-9._:-]``."""
    return _REQUEST_ID.fullmatch(text) is not None


def exchange_id_of(event_id: str) -> str:
    """The exchange an event belongs to: ``<exchange_id>-p|-a|-b``, corrections with more behind it."""
    return event_id[:36]
