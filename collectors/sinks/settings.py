"""The ``config`` of each sink, as ``collectors.yaml`` holds it; names and forms the reference uses just work."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_serializer, model_validator

from sluice.eventlog.settings import Section

_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
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


def check_compression(compression: str, file_format: str | None) -> None:
    """zstd is not in the standard library yet; Parquet has its own. Raises ValueError naming what to install."""
    if compression == "zstd" and file_format != "parquet":
        try:
            import zstandard  # noqa: F401, PLC0415 - only where it is asked for
        except ImportError as error:
            message = "compression: zstd needs the package zstandard: pip install 'sluice-gateway[collectors]'"
            raise ValueError(message) from error


def has_good_port(parts: SplitResult) -> bool:
    """Whether a URL names no port, which is the default one, or one that can be."""
    try:
        return parts.port != 0
    except ValueError:
        return False


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
FormatName = Literal["jsonl", "csv", "parquet"]
"""What files and objects are made of."""
Compression = Literal["none", "gzip", "zstd"]


class DatabaseSettings(Section):
    """``sink://database``: the events database, SQLite or PostgreSQL."""

    url: Annotated[str, Field(repr=False, examples=["postgresql://sluice@db:5432/events"])] = (
        "sqlite+aiosqlite:///.sluice/events.db"
    )
    """As SQLAlchemy takes it; what is shown of it has no password."""
    password: SecretStr = SecretStr("")
    """Of PostgreSQL's user, where the ``url`` has none."""
    timeout: Duration = 10.0
    """PostgreSQL's, to connect and for a statement."""

    @model_validator(mode="before")
    @classmethod
    def url_is_of_a_known_database(cls, data: Any) -> Any:
        """Checked as a part of the whole, so that an error does not show it."""
        if isinstance(data, dict) and "url" in data:
            return {**data, "url": _database_url(data["url"])}
        return data

    @model_validator(mode="after")
    def password_is_said_once(self) -> Self:
        """And only where a database asks for one."""
        if self.password.get_secret_value() and self.url.startswith("sqlite"):
            message = "password: SQLite has none; remove it, or give the url of a PostgreSQL"
            raise ValueError(message)
        return self

    @field_serializer("url")
    def url_without_password(self, url: str) -> str:
        """What is written out is for eyes."""
        parts = urlsplit(url)
        if parts.password is None:
            return url
        return parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}").geturl()


def _database_url(value: Any) -> str:
    """In SQLAlchemy's form, with the driver that we use."""
    text = value if isinstance(value, str) else ""
    for prefix in ("sqlite:///", "sqlite+aiosqlite:///"):
        if text.startswith(prefix) and text != prefix:
            return "sqlite+aiosqlite:///" + text.removeprefix(prefix)
    scheme, _, rest = text.partition("://")
    if scheme in {"postgresql", "postgres", "postgresql+asyncpg"} and _names_a_database(text):
        # libpq's name of the option and asyncpg's
        return "postgresql+asyncpg://" + re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)
    message = "url: must be sqlite:///<path> or postgresql://<user>@<host>:<port>/<database>"
    raise ValueError(message)


def _names_a_database(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and len(parts.path) > 1
    except ValueError:
        return False


class StdoutSettings(Section):
    """``sink://stdout``."""

    format: Literal["json", "text"] = "json"
    """A document in a line, or what tells most of it for eyes."""
