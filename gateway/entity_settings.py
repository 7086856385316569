"""What ``sluice.yaml`` may say of LLMs, apps and tokens: the entities that are managed by the file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from gateway.access.addresses import parse_network
from gateway.access.credentials import is_scope
from gateway.upstreams.vendors.registry import Vendor
from sluice.eventlog.settings import Bytes, Seconds, Section
from sluice.money.periods import is_time_zone
from sluice.money.price_settings import Amount, Moment
from sluice.plugin_host.registration import OnStream
from sluice.privacy.settings import BodyPolicy

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_MAX_HOST_BYTES = 253  # RFC 1035, 2.3.4, without the dot at the end
MAX_FAILOVER = 16
"""LLMs that one may fail over to: each is looked at for every exchange under a budget, at the dearest price of all."""


def _is_scope(scope: str) -> str:
    if not is_scope(scope):
        message = f"{scope!r} is no scope; write api, admin, *, or an endpoint's own, such as mcp.read"
        raise ValueError(message)
    return scope


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Id = Annotated[int, Field(ge=1)]
Limit = Annotated[int, Field(ge=0, le=1_000_000_000)]
ResetDay = Annotated[int, Field(ge=1, le=28)]
TimeZone = Annotated[str, AfterValidator(is_time_zone)]


class AttachmentSettings(Section):
    """A plugin at its place on an LLM; a name alone attaches it as it is."""

    plugin: str
    """Its ``name`` in ``plugins``."""
    config: dict[str, Any] | None = None
    """Instead of the plugin's own: all of it, nothing is merged."""
    app: Id | None = None
    """Only for this app's exchanges, which a plugin that acts at ``pre_auth``, where no app is known, refuses unless
    its ``hook_types`` leave that out; of an ``auth`` plugin, the app of those of whom it knows no other."""
    on_stream: OnStream | None = None
    """Instead of the plugin's own."""
    is_active: bool = True

    @model_validator(mode="before")
    @classmethod
    def a_name_is_one(cls, value: Any) -> Any:
        """``plugins: [limit]``."""
        if not isinstance(value, str | dict | cls):
            message = "is no plugin; write its name, or {plugin: NAME, config: {…}}"
            raise ValueError(message)  # noqa: TRY004 - pydantic tells of this one
        return {"plugin": value} if isinstance(value, str) else value


class LlmSettings(Section):
    """One configured LLM."""

    id: Id
    slug: Slug
    name: str = ""
    vendor: Vendor = "openai"
    base_url: str
    api_key: SecretStr = SecretStr("")
    allowed_models: tuple[str, ...] = ()
    """Regular expressions; a model must match one of them whole. Empty allows all."""
    default_model: str = ""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Reserved as output where a request names no maximum; by default ``budget.default_output_tokens``."""
    timeout_seconds: Seconds | None = None
    """Until the first byte of an answer; by default ``gateway.upstream.first_byte_timeout_seconds``."""
    retry_count: Annotated[int, Field(ge=0, le=5)] | None = None
    """Further attempts before the first byte; by default ``gateway.upstream.retries`` (for connections alone)."""
    failover: Annotated[tuple[Slug, ...], Field(max_length=MAX_FAILOVER)] = ()
    """LLMs that are asked in order where this one gave no first byte."""
    allowed_upstreams: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Base URLs that a plugin's ``upstream_override`` may name; they get the vendor key too."""
    monthly_budget: Amount = "0"
    budget_reset_day: ResetDay = 1
    rate_limit_rpm: Limit = 0
    rate_limit_tpm: Limit = 0
    max_request_bytes: Bytes | None = None
    max_response_bytes: Bytes | None = None
    """As the gateway's, for this LLM; a response is cut off there."""
    is_active: bool = True
    plugins: tuple[AttachmentSettings, ...] = ()
    """In the order in which they act; an element is a plugin's name, or what else there is to say."""
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

    @field_validator("allowed_upstreams")
    @classmethod
    def upstreams_are_http(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """What ``base_url`` must be too; each once."""
        checked = []
        for url in value:
            try:
                checked.append(cls.base_url_is_http(url))
            except ValueError as error:
                message = f"{url[:200]!r} {error}"
                raise ValueError(message) from error
        return tuple(dict.fromkeys(checked))

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
    is_active: bool = True
    llms: tuple[Slug, ...] = ()
    llm_budgets: dict[Slug, Amount] = Field(default_factory=dict)
    """A budget of its own for an LLM, a month."""
    monthly_budget: Amount = "0"
    """For all LLMs together; 0 is no limit."""
    budget_reset_day: ResetDay = 1
    """The day of the month on which a period begins."""
    time_zone: TimeZone = "UTC"
    budget_fail: Literal["closed", "open"] = "closed"
    """Whether requests are refused where the ledger cannot be asked."""
    rate_limit_rpm: Limit = 0
    """Requests a minute; 0 is no limit."""
    rate_limit_tpm: Limit = 0
    """Tokens a minute; 0 is no limit."""
    max_concurrent: Limit = 0
    allowed_ips: tuple[str, ...] = ()
    """CIDR blocks and addresses that may use its tokens; empty allows all."""
    bodies: Literal["default", BodyPolicy] = "default"
    """What proxy logs keep of its exchanges; ``default`` is ``gateway.bodies.policy``."""

    @field_validator("allowed_ips")
    @classmethod
    def ips_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A block that cannot be read would let nobody in, in silence."""
        for block in value:
            parse_network(block)
        return value

    @model_validator(mode="after")
    def budgets_are_of_its_llms(self) -> Self:
        """One for an LLM that the app may not use would limit nothing, in silence."""
        for slug in self.llm_budgets:
            if slug not in self.llms:
                message = f"llm_budgets: {slug!r} is no LLM of this app; add it to llms, or remove its budget"
                raise ValueError(message)
        return self


class TokenSettings(Section):
    """One credential; only its hash is kept."""

    app: Id
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    prefix: Annotated[str, Field(max_length=8)] = ""
    name: Annotated[str, Field(max_length=255)] = ""
    scopes: tuple[Annotated[str, AfterValidator(_is_scope)], ...] = ("api",)
    """``api`` calls LLMs, ``admin`` manages, ``*`` may everything; ``mcp.read`` and the like are for endpoints of
    plugins that ask for them."""
    expires_at: Moment | None = None


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
