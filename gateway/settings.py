"""The gateway's settings tree: one frozen model, validated before a port opens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from sluice.eventlog.places import COLLECTORS_FOLDER
from sluice.eventlog.settings import Bytes, LogSettings, Seconds, Section
from sluice.money.nanos import parse_nanos
from sluice.plugin_host.registration import PluginRegistration

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_HOST_BYTES = 253  # RFC 1035, 2.3.4, without the dot at the end


def _in_utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        message = "is no moment that UTC has a year for; write another"
        raise ValueError(message) from None


def _is_price(amount: str) -> str:
    if parse_nanos(amount) < 0:
        message = "is below zero; a price is zero or more"
        raise ValueError(message)
    return amount


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Id = Annotated[int, Field(ge=1)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""Without a zone it is UTC, wherever the gateway runs."""
Amount = Annotated[str, AfterValidator(_is_price)]
"""Money for a million tokens, as decimal text."""


class UpstreamSettings(Section):
    """How vendors are called."""

    client: Literal["lean", "aiohttp"] = "lean"
    connect_timeout_seconds: Seconds = 10.0
    first_byte_timeout_seconds: Seconds = 120.0
    idle_timeout_seconds: Seconds = 120.0
    total_timeout_seconds: Seconds = 600.0
    max_connections_per_origin: Annotated[int, Field(ge=1)] = 256
    retries: Annotated[int, Field(ge=0, le=5)] = 1
    """Further attempts where nothing reached the vendor; never after its first byte."""
    ca_file: str = ""


class BodySettings(Section):
    """What of bodies is kept in proxy logs."""

    max_bytes: Annotated[int, Field(ge=0, le=400_000)] = 65_536
    """A side. Two sides and the headers must stay under the topics' ``max.message.bytes`` (1 MiB)."""


class GatewaySettings(Section):
    """The proxy itself."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "gateway-1"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    workers: Annotated[int, Field(ge=1, le=128)] = 1
    mode: Literal["standalone"] = "standalone"
    max_request_bytes: Bytes = 10 << 20
    max_header_bytes: Bytes = 64 << 10
    max_response_bytes: Bytes = 10 << 20
    """Buffered at most where a body hook is attached; also what is read of a response to find its usage."""
    max_in_flight: Annotated[int, Field(ge=1, le=65_536)] = 1024
    client_read_timeout_seconds: Seconds = 60.0
    client_write_timeout_seconds: Seconds = 60.0
    keep_alive_seconds: Seconds = 75.0
    drain_max_bytes: Bytes = 1 << 20
    drain_timeout_seconds: Seconds = 30.0
    shutdown_seconds: Seconds = 4.0
    upstream: UpstreamSettings = UpstreamSettings()
    bodies: BodySettings = BodySettings()

    @field_validator("id")
    @classmethod
    def id_is_free(cls, value: str) -> str:
        """Journals lie in a folder of this name, beside the one of the collectors."""
        if value == COLLECTORS_FOLDER:
            message = f"{value!r} is where collectors keep their journals; choose another name"
            raise ValueError(message)
        return value


class RecordSettings(Section):
    """What is recorded of exchanges refused before an app was known."""

    unauthenticated_per_second: Annotated[int, Field(ge=0)] = 50


class BudgetSettings(Section):
    """How an exchange that was cut by a kill is charged, and what is held for one without a maximum."""

    interrupted: Literal["reserved", "seen"] = "reserved"
    default_output_tokens: Annotated[int, Field(ge=1)] = 4096


class LlmSettings(Section):
    """One configured LLM."""

    id: Id
    slug: Slug
    name: str = ""
    vendor: Literal["openai"] = "openai"
    base_url: str
    api_key: SecretStr = SecretStr("")
    allowed_models: tuple[str, ...] = ()
    """Regular expressions; a model must match one of them whole. Empty allows all."""
    default_model: str = ""
    plugins: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @field_validator("base_url")
    @classmethod
    def base_url_is_http(cls, value: str) -> str:
        """An absolute http(s) URL without query, that can be called as it is."""
        if not value.isascii() and not urlsplit(value).path.isascii():
            message = "has a path that is not ASCII; percent-encode it"
            raise ValueError(message)
        if " " in value or _CONTROLS.search(value):
            message = "has a space or a control character; remove it, or percent-encode it"
            raise ValueError(message)
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            message = "must be an absolute http:// or https:// URL without a query, e.g. https://api.openai.com/v1"
            raise ValueError(message)
        _check_address(parts)
        return value.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def key_fits_a_header(cls, value: SecretStr) -> SecretStr:
        """Every call would fail."""
        if _CONTROLS.search(value.get_secret_value()):
            message = "has a control character, such as the line's end of the file it was read from; remove it"
            raise ValueError(message)
        return value

    @field_validator("allowed_models")
    @classmethod
    def models_are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns that do not compile would never match, and so deny in silence."""
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                message = f"{pattern!r} is not a regular expression: {error}"
                raise ValueError(message) from error
        return value


class AppSettings(Section):
    """One credentialed caller."""

    id: Id
    name: str
    user_id: Id | None = None
    llms: tuple[Slug, ...] = ()
    bodies: Literal["full", "metadata", "none"] = "full"

    @field_validator("bodies", mode="before")
    @classmethod
    def bodies_are_in_this_version(cls, value: Any) -> Any:
        """What is not redacted yet must not be believed to be."""
        if value == "redacted":
            message = "is not in this version; use metadata, which keeps sizes and no bodies, or full"
            raise ValueError(message)
        return value


class TokenSettings(Section):
    """One credential; only its hash is kept."""

    app: Id
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    prefix: Annotated[str, Field(max_length=8)] = ""
    expires_at: Moment | None = None


class PriceSettings(Section):
    """What a model costs, per million tokens, as decimal text."""

    id: str
    vendor: str = "openai"
    model: str
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    prompt: Amount
    response: Amount
    cache_read: Amount | None = None
    cache_write: Amount | None = None
    valid_from: Moment | None = None

    @property
    def starts(self) -> str:
        """What no two prices may have in common."""
        return f"{self.vendor}/{self.model} from {(self.valid_from or _EPOCH).isoformat()}"


class Settings(LogSettings):
    """Everything in ``sluice.yaml`` that the gateway reads."""

    version: Literal["1"] = "1"
    data_dir: Path = Path(".sluice")
    gateway: GatewaySettings = GatewaySettings()
    record: RecordSettings = RecordSettings()
    budget: BudgetSettings = BudgetSettings()
    llms: tuple[LlmSettings, ...] = ()
    apps: tuple[AppSettings, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()
    price_version: str = "1"
    prices: tuple[PriceSettings, ...] = ()
    plugins: tuple[PluginRegistration, ...] = ()

    @model_validator(mode="after")
    def names_meet(self) -> Self:
        """Whatever is named must exist, and names must be unique."""
        _unique("llms.slug", [llm.slug for llm in self.llms])
        _unique("llms.id", [llm.id for llm in self.llms])
        _unique("apps.id", [app.id for app in self.apps])
        _unique("tokens.sha256", [token.sha256 for token in self.tokens])
        _unique("plugins.id", [plugin.id for plugin in self.plugins])
        _unique("plugins.name", [plugin.name for plugin in self.plugins])
        _unique("prices.valid_from", [price.starts for price in self.prices])
        for llm in self.llms:
            _known(f"llms.{llm.slug}.plugins", llm.plugins, [plugin.name for plugin in self.plugins])
        for app in self.apps:
            _known(f"apps.{app.name}.llms", app.llms, [llm.slug for llm in self.llms])
        for token in self.tokens:
            _known("tokens.app", (token.app,), [app.id for app in self.apps])
        return self


def _check_address(parts: SplitResult) -> None:
    """What no resolver and no socket takes."""
    try:
        port = parts.port
        size = len((parts.hostname or "").encode("idna"))
    except ValueError as error:  # UnicodeError is one
        message = f"has no usable address ({error}); write a host name, and a port from 1 to 65535 if any"
        raise ValueError(message) from error
    if port == 0 or size > _MAX_HOST_BYTES:
        message = f"has no usable address; write a host name of at most {_MAX_HOST_BYTES} bytes, and no port 0"
        raise ValueError(message)


def _unique(key: str, values: Sequence[str | int]) -> None:
    twice = {str(value) for value in values if values.count(value) > 1}
    if twice:
        message = f"{key}: {', '.join(sorted(twice))} is used twice; give each its own"
        raise ValueError(message)


def _known(key: str, values: tuple[str, ...] | tuple[int, ...], names: list[str] | list[int]) -> None:
    for value in values:
        if value not in names:
            known = ", ".join(map(str, names)) or "none are defined"
            message = f"{key}: {value!r} does not exist; known: {known}"
            raise ValueError(message)
