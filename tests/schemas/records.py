"""Records by the names of their fields, for tests: the encoders of ``schemas.encoder`` take values by their places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from schemas.encoder import values_encoder


def record_encoder(
    fields: Sequence[Mapping[str, Any]], unique: Collection[str] = (), alike: Collection[str] = ()
) -> Callable[..., bytes]:
    """An encoder of the given Avro fields that takes a record, in any order, and what stands in front of it."""
    encode, names = values_encoder(fields, unique, alike), [field["name"] for field in fields]

    def encode_record(record: Mapping[str, Any], head: bytes = b"") -> bytes:
        return encode(head, *[record[name] for name in names])

    return encode_record
