"""What corrections are called: ``<exchange_id>-b-<price_version>``, so that one version corrects an exchange once."""

from __future__ import annotations

import re

from collectors.jobs.interface import UsageError
from schemas.events import event_id

_MAX_CHARACTERS = 160
"""An exchange id and the suffix beside it are within the 200 of an event's id."""
_PLAIN = re.compile(r"[A-Za-z0-9._-]")


def version_in_ids(version: str) -> str:
    """The version as it may stand in an id: ``:`` and two hex digits for each byte that may not; so two are never one.

    Raises UsageError where it is empty or too long.
    """
    written = "".join(each if _PLAIN.match(each) else _escaped(each) for each in version)
    if not version:
        raise UsageError(
            "--price-version: is not given; only a base table (--prices base) has one of its own: name one"
        )
    if len(written) > _MAX_CHARACTERS:
        raise UsageError(
            f"--price-version: {version!r} cannot be a part of an id; use 1 to 64 letters, digits and dots"
        )
    return written


def correction_id(exchange_id: str, written: str) -> str:
    """Of the correction by the version that ``version_in_ids`` wrote."""
    return f"{event_id(exchange_id, 'budget')}-{written}"


def _escaped(character: str) -> str:
    return "".join(f":{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
