"""Under which name a registry keeps a schema: Confluent's three strategies."""

from __future__ import annotations

from typing import Literal

import orjson

SubjectNames = Literal["topic_name", "record_name", "topic_record_name"]


def subject_name(strategy: SubjectNames, topic: str, text: bytes) -> str:
    """The subject of the values of a topic that have this schema (its JSON text)."""
    if strategy == "topic_name":
        return f"{topic}-value"
    schema = orjson.loads(text)
    record = ".".join(filter(None, (schema.get("namespace"), schema["name"])))
    return record if strategy == "record_name" else f"{topic}-{record}"
