"""The ``config`` of each sink, as ``collectors.yaml`` holds it; names and forms the reference uses just work."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from schemas.events import Kind
from sluice.eventlog.settings import Section
from sluice.eventstore.names import INDEX_NAMES, daily_pattern

_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(?P<number>\d+)\s*(?P<unit>b|kb|mb|gb|kib|mib|gib)?", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        message = "must be a number of seconds or a duration such as 500ms, 30s or 5m"
        raise ValueError(message)
    return float(match["number"]) * _SECONDS[match["unit"]]


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        message = "must be a number of bytes or a size such as 512KiB or 5MB"
        raise ValueError(message)
    return int(match["number"]) * _BYTES[(match["unit"] or "b").lower()]


def _has_good_port(parts: SplitResult) -> bool:
    """Or none, which is the default one."""
    try:
        return parts.port != 0
    except ValueError:
        return False


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
IndexName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,199}$")]


class IndexSettings(Section):
    """The read alias of each event, and the stem of its daily indices."""

    proxy_logs: IndexName = INDEX_NAMES["proxy_log"]
    analytics: IndexName = INDEX_NAMES["analytics"]
    budget: IndexName = INDEX_NAMES["budget"]

    @model_validator(mode="after")
    def stems_are_apart(self) -> Self:
        """No pattern of one event's indices matches another's: the server refuses such templates."""
        for (key, stem), (other_key, other) in permutations(self, 2):
            if f"{other}-".startswith(f"{stem}-"):
                message = (
                    f"{other_key}: {other!r} is in reach of {key}: {stem!r}, whose indices are {daily_pattern(stem)}; "
                    "give each event a name that does not begin with another's and a dash"
                )
                raise ValueError(message)
        return self

    def names(self) -> dict[Kind, str]:
        """By kind of event."""
        return {"proxy_log": self.proxy_logs, "analytics": self.analytics, "budget": self.budget}


class ElasticsearchSettings(Section):
    """``sink://elasticsearch``."""

    elasticsearch_url: str = "http://localhost:9200"
    username: str = ""
    password: SecretStr = SecretStr("")
    indices: IndexSettings = IndexSettings()
    batch_size: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The reference's name of ``batch.max_records``; ``batch`` wins where both are given."""
    flush_interval: Duration | None = None
    """The reference's name of ``batch.max_age_seconds``; ``batch`` wins where both are given."""
    use_index_templates: bool = True
    timeout: Duration = 10.0
    max_bulk_bytes: Size = 10_000_000
    """A request is never larger; what a batch has beyond it goes out in further requests."""
    compress: bool = False
    """gzip level 1: pays where the network, not the processor, is the bound."""
    oldest_days: Annotated[int, Field(ge=1, le=3650)] = 400
    newest_days: Annotated[int, Field(ge=1, le=30)] = 1
    """Events from outside this range are dead letters: one wrong clock must not make a thousand indices."""

    @field_validator("elasticsearch_url")
    @classmethod
    def url_is_http(cls, value: str) -> str:
        """An absolute http(s) URL without credentials, query or fragment."""
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            message = "must be an absolute http:// or https:// URL, e.g. http://localhost:9200"
            raise ValueError(message)
        if parts.username or parts.password:
            message = "must not hold credentials; use username and password"
            raise ValueError(message)
        if not _has_good_port(parts):
            message = "must have a port from 1 to 65535, e.g. http://localhost:9200"
            raise ValueError(message)
        return value.rstrip("/")


class DatabaseSettings(Section):
    """``sink://database``: the events database. This version writes SQLite."""

    url: Annotated[str, Field(validate_default=True)] = "sqlite:///.sluice/events.db"

    @field_validator("url")
    @classmethod
    def url_is_sqlite(cls, value: str) -> str:
        """A path of SQLite's, in SQLAlchemy's form."""
        for prefix in ("sqlite:///", "sqlite+aiosqlite:///"):
            if value.startswith(prefix) and value != prefix:
                return "sqlite+aiosqlite:///" + value.removeprefix(prefix)
        message = "must be sqlite:///<path>; other databases are not in this version"
        raise ValueError(message)
