"""Ids: an exchange's, its events', and what a client may call its request."""

from __future__ import annotations

import random
import re
import time
import uuid

_random = random.Random()  # seeded by the operating system; ids need to be unique, not secret
_RANDOM_BITS = 0x0FFF_3FFF_FFFF_FFFF_FFFF
_VERSION_AND_VARIANT = 0x7000_8000_0000_0000_0000
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def new_exchange_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits, so ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | _random.getrandbits(80) & _RANDOM_BITS | _VERSION_AND_VARIANT
    text = value.to_bytes(16, "big").hex("-", 2)  # with a dash behind each four digits: three of them too many
    return text[:4] + text[5:29] + text[30:34] + text[35:]


def new_boot_id() -> str:
    """A random id for one life of one worker process."""
    return uuid.uuid4().hex


def is_request_id(text: str) -> bool:
    """Whether a client's ``X-Request-ID`` is well formed: 1 to 128 characters of ``[A-Za-z0-9._:-]``."""
    return _REQUEST_ID.fullmatch(text) is not None


def exchange_id_of(event_id: str) -> str:
    """The exchange an event belongs to: ``<exchange_id>-p|-a|-b``, corrections with more behind it."""
    return event_id[:36]
