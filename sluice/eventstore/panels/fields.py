"""Which fields of an event may be asked for, and what each is good for.

They come from the templates and the events' schemas, so that a name which is here is in both stores; whatever else is
asked is refused with the nearest name, so that no text of a reader ever becomes part of a statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Literal

from schemas.avro_schema import event_schema
from schemas.events import KINDS, Kind
from sluice.eventstore.documents import COMMON, MAX_KEYWORD_CHARACTERS, OWN
from sluice.eventstore.panels.answers import Unit
from sluice.eventstore.panels.query import QueryError, Subject

FieldType = Literal["keyword", "number", "boolean", "labels"]

_TYPES: dict[str, FieldType] = {"keyword": "keyword", "long": "number", "boolean": "boolean"}
_LINES = frozenset({"request_headers", "response_headers"})
"""Lists of lines that hold whatever clients sent: to be read, not counted."""


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field."""

    name: str
    type: FieldType
    unit: Unit
    """Of its sums and averages."""
    max_characters: int = MAX_KEYWORD_CHARACTERS
    """Longer texts are not indexed in Elasticsearch: such a field is ``None``, in the database as well."""

    @property
    def is_money(self) -> bool:
        """Whether it is nanos of the event's ``currency``."""
        return self.unit == "money"


@cache
def fields_of(subject: Subject) -> Mapping[str, FieldInfo]:
    """The fields of events of a kind by name."""
    if subject == "plugin_step":
        own = {"plugin": "keyword", "hook": "keyword", "decision": "keyword", "micros": "long"}
        common = {name: found for name, found in fields_of("proxy_log").items() if name in COMMON}
        return MappingProxyType({**common, **{name: _info(name, _TYPES[found]) for name, found in own.items()}})
    recorded = {field["name"] for field in event_schema(subject)["fields"]}
    found: dict[str, FieldInfo] = {}
    for name, mapping in {**COMMON, **OWN[subject]}.items():
        kind = _TYPES.get(str(mapping.get("type")))
        if kind is not None and name in recorded and name not in _LINES:
            most = mapping.get("ignore_above", MAX_KEYWORD_CHARACTERS)
            found[name] = _info(name, "labels" if name == "labels" else kind, most)
    return MappingProxyType(found)


def field_of(subject: Subject, name: str, key: str) -> FieldInfo:
    """The field of a name; QueryError, with the nearest name, where there is none."""
    known = fields_of(subject)
    if name in known:
        return known[name]
    near = get_close_matches(str(name), known, n=1)
    elsewhere = [kind for kind in KINDS if name in fields_of(kind)]
    if near:
        hint = f"did you mean {near[0]}?"
    elif elsewhere:
        hint = f"{' and '.join(elsewhere)} have it"
    else:
        hint = f"there are: {', '.join(sorted(known))}"
    message = f"{key}: {str(name)[:60]!r} is no field of {subject}; {hint}"
    raise QueryError(message)


def event_kind(subject: Subject) -> Kind:
    """The events that are read."""
    return "proxy_log" if subject == "plugin_step" else subject


def _info(name: str, kind: FieldType, max_characters: int = MAX_KEYWORD_CHARACTERS) -> FieldInfo:
    return FieldInfo(name, kind, _unit(name), max_characters)


def _unit(name: str) -> Unit:
    if name.endswith("_nanos"):
        return "money"
    if name.endswith("micros"):
        return "micros"
    if name.endswith("_bytes"):
        return "bytes"
    return "tokens" if name == "tokens_used" or name.endswith("_tokens") else "number"
