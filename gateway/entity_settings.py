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

    plugin: Annotated[str, Field(examples=["prompt_size_limit"])]
    """Its ``name`` in ``plugins``."""
    config: Annotated[dict[str, Any] | None, Field(examples=[{"max_body_bytes": 100000}])] = None
    """Instead of the plugin's own: all of it, nothing is merged."""
    app: Annotated[Id | None, Field(examples=[7])] = None
    """Only for this app's exchanges, which a plugin that acts at ``pre_auth``, where no app is known, refuses unless
    its ``hook_types`` leave that out; of an ``auth`` plugin, the app of those of whom it knows no other."""
    on_stream: OnStream | None = None
    """Instead of the plugin's own."""
    is_active: bool = True
    """Whether it acts."""

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

    id: Annotated[Id, Field(examples=[1])]
    """Its number, for ever: events and budgets are kept under it."""
    slug: Annotated[Slug, Field(examples=["gpt"])]
    """Its name in paths: ``/llm/call/<slug>/…``, ``/ai/<slug>/v1``."""
    name: Annotated[str, Field(examples=["GPT of the platform team"])] = ""
    """What people call it; empty is the slug."""
    vendor: Vendor = "openai"
    """Whose dialect it speaks, and how its usage is read."""
    base_url: Annotated[str, Field(examples=["https://api.openai.com/v1"])]
    """Where its vendor's API begins."""
    api_key: SecretStr = SecretStr("")
    """The vendor's key; clients never see it."""
    allowed_models: Annotated[tuple[str, ...], Field(examples=[["gpt-4o.*"]])] = ()
    """Regular expressions; a model must match one of them whole. Empty allows all."""
    default_model: Annotated[str, Field(examples=["gpt-4o-mini"])] = ""
    """What is asked for where a request names no model."""
    max_tokens: Annotated[Annotated[int, Field(ge=1)] | None, Field(examples=[8192])] = None
    """Reserved as output where a request names no maximum; by default ``budget.default_output_tokens``."""
    timeout_seconds: Annotated[Seconds | None, Field(examples=[30.0])] = None
    """Until the first byte of an answer; by default ``gateway.upstream.first_byte_timeout_seconds``."""
    retry_count: Annotated[Annotated[int, Field(ge=0, le=5)] | None, Field(examples=[2])] = None
    """Further attempts before the first byte; by default ``gateway.upstream.retries`` (for connections alone)."""
    failover: Annotated[tuple[Slug, ...], Field(max_length=MAX_FAILOVER, examples=[["claude"]])] = ()
    """LLMs that are asked in order where this one gave no first byte."""
    allowed_upstreams: Annotated[
        tuple[str, ...], Field(max_length=64, examples=[["https://eu.api.example.com/v1"]])
    ] = ()
    """Base URLs that a plugin's ``upstream_override`` may name; they get the vendor key too."""
    monthly_budget: Annotated[Amount, Field(examples=["500"])] = "0"
    """For all apps together; 0 is no limit."""
    budget_reset_day: ResetDay = 1
    """The day of the month on which its period begins."""
    rate_limit_rpm: Annotated[Limit, Field(examples=[600])] = 0
    """Requests a minute, of all apps together; 0 is no limit."""
    rate_limit_tpm: Annotated[Limit, Field(examples=[200000])] = 0
    """Tokens a minute, of all apps together; 0 is no limit."""
    max_request_bytes: Annotated[Bytes | None, Field(examples=[1048576])] = None
    """A longer body is refused for this LLM; by default ``gateway.max_request_bytes`` alone holds."""
    max_response_bytes: Annotated[Bytes | None, Field(examples=[1048576])] = None
    """As the gateway's, for this LLM; a response is cut off there."""
    is_active: bool = True
    """Whether it may be called."""
    plugins: tuple[AttachmentSettings, ...] = ()
    """In the order in which they act; an element is a plugin's name, or what else there is to say."""
    labels: Annotated[tuple[str, ...], Field(examples=[["team:search"]])] = ()
    """Put into the events of its exchanges, as ``key:value``."""

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

    id: Annotated[Id, Field(examples=[1])]
    """Its number, for ever: events and budgets are kept under it."""
    name: Annotated[str, Field(examples=["team-a"])]
    """What people call it; unique."""
    user_id: Annotated[Id | None, Field(examples=[12])] = None
    """The person behind it, in its events."""
    is_active: bool = True
    """Whether its tokens are accepted."""
    llms: Annotated[tuple[Slug, ...], Field(examples=[["gpt", "claude"]])] = ()
    """Slugs of those it may call; empty is none."""
    llm_budgets: dict[Slug, Amount] = Field(default_factory=dict, examples=[{"gpt": "20"}])
    """A budget of its own for an LLM, a month."""
    monthly_budget: Annotated[Amount, Field(examples=["12.50"])] = "0"
    """For all LLMs together; 0 is no limit."""
    budget_reset_day: ResetDay = 1
    """The day of the month on which a period begins."""
    time_zone: Annotated[TimeZone, Field(examples=["Europe/Berlin"])] = "UTC"
    """In which its period begins."""
    budget_fail: Literal["closed", "open"] = "closed"
    """Whether requests are refused where the ledger cannot be asked."""
    rate_limit_rpm: Annotated[Limit, Field(examples=[600])] = 0
    """Requests a minute; 0 is no limit."""
    rate_limit_tpm: Annotated[Limit, Field(examples=[200000])] = 0
    """Tokens a minute; 0 is no limit."""
    max_concurrent: Annotated[Limit, Field(examples=[20])] = 0
    """Exchanges under way at once; 0 is no limit."""
    allowed_ips: Annotated[tuple[str, ...], Field(examples=[["10.0.0.0/8", "192.0.2.7"]])] = ()
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

    app: Annotated[Id, Field(examples=[1])]
    """The ``id`` of the app that it is of."""
    sha256: Annotated[
        str,
        Field(pattern=r"^[0-9a-f]{64}$", examples=["0f4c1c1a3b5a9f7e2d8c6b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706"]),
    ]
    """SHA-256 of the token, in hex; ``sluice token`` makes both."""
    prefix: Annotated[str, Field(max_length=8, examples=["slc_4f9a"])] = ""
    """The token's first characters, for lists."""
    name: Annotated[str, Field(max_length=255, examples=["laptop"])] = ""
    """What people call it."""
    scopes: Annotated[tuple[Annotated[str, AfterValidator(_is_scope)], ...], Field(examples=[["api"]])] = ("api",)
    """``api`` calls LLMs, ``admin`` manages, ``*`` may everything; ``mcp.read`` and the like are for endpoints of
    plugins that ask for them."""
    expires_at: Annotated[Moment | None, Field(examples=["2027-01-31T00:00:00Z"])] = None
    """It is refused from then on; by default never."""


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
