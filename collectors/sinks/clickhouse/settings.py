"""The ``config`` of ``sink://clickhouse``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from collectors.sinks.http.settings import HttpSettings, check_url
from collectors.sinks.settings import Size
from schemas.events import Kind
from sluice.eventlog.settings import Section

USER_HEADER = "x-clickhouse-user"
PASSWORD_HEADER = "x-clickhouse-key"  # noqa: S105 - a header's name

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]


class TableSettings(Section):
    """The table of each event."""

    proxy_logs: Annotated[Identifier, Field(examples=["llm_proxy_logs"])] = "proxy_logs"
    """Of proxy logs."""
    analytics: Annotated[Identifier, Field(examples=["llm_analytics"])] = "analytics"
    """Of analytics."""
    budget: Annotated[Identifier, Field(examples=["llm_budget"])] = "budget_usage"
    """Of budget events."""

    @model_validator(mode="after")
    def tables_are_apart(self) -> Self:
        """Each event has columns of its own."""
        names = list(self.names().values())
        if len(set(names)) < len(names):
            message = f"each event needs a table of its own, and these are {', '.join(names)}"
            raise ValueError(message)
        return self

    def names(self) -> dict[Kind, str]:
        """By kind of event."""
        return {"proxy_log": self.proxy_logs, "analytics": self.analytics, "budget": self.budget}


class ClickHouseSettings(HttpSettings):
    """``sink://clickhouse``."""

    own_headers: ClassVar[Collection[str]] = (USER_HEADER, PASSWORD_HEADER)

    url: Annotated[str, Field(examples=["https://clickhouse:8443"])] = "http://localhost:8123"
    """Its HTTP interface."""
    username: Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,256}$", examples=["sluice"])] = ""
    """Sent in a header, with its password."""
    password: SecretStr = SecretStr("")
    """Of that user."""
    database: Annotated[Identifier, Field(examples=["llm"])] = "default"
    """Where its tables are; it must be there."""
    tables: TableSettings = TableSettings()
    """Their names."""
    create_tables: bool = True
    """Make the tables and the columns that are missing; else their absence halts the service."""
    max_block_rows: Annotated[int, Field(ge=1, le=100_000)] = 50_000
    """Rows of one INSERT."""
    max_block_bytes: Size = 10_000_000
    """A block is one INSERT, applied whole or not at all."""
    oldest_days: Annotated[int, Field(ge=1, le=3650)] = 400
    """How far back an event's time may lie."""
    newest_days: Annotated[int, Field(ge=1, le=30)] = 1
    """Events from outside this range are dead letters: one wrong clock must not make a thousand partitions."""

    @model_validator(mode="before")
    @classmethod
    def url_can_be_asked(cls, data: Any) -> Any:
        """Checked as a part of the whole, so that an error does not show it."""
        if isinstance(data, dict) and "url" in data:
            check_url("url", data["url"], "http://localhost:8123")
        return data

    @model_validator(mode="after")
    def password_has_a_user(self) -> Self:
        """And can stand in a header."""
        password = self.password.get_secret_value()
        if password and not self.username:
            message = "password: needs a username; give the one it belongs to"
            raise ValueError(message)
        if not (password.isascii() and password.isprintable()):
            message = "password: must be one line of ASCII text"
            raise ValueError(message)
        if self.username and self.bearer_token.get_secret_value():
            message = "username and bearer_token are both given; remove one"
            raise ValueError(message)
        return self

    def sent_headers(self) -> dict[str, str]:
        """What every request carries."""
        sent = super().sent_headers()
        if self.username:
            sent |= {USER_HEADER: self.username, PASSWORD_HEADER: self.password.get_secret_value()}
        return sent
