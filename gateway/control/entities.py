"""What an operator manages, as values: read by the snapshot, written by the control API, kept by the control database.

Times are micros of the epoch, money is nanos (prices: nanos per million tokens). An amount or a rate of 0 is no limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

ManagedBy = Literal["api", "file"]
EntityKind = Literal["llm", "app", "token", "price", "plugin"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """What every entity has. ``version`` grows by one with each change and is the ETag."""

    id: int
    managed_by: ManagedBy = "api"
    version: int = 1
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A plugin at its place on an LLM; the place is its index in ``LlmEntity.attachments``."""

    plugin_id: int
    is_active: bool = True
    config: dict[str, Any] | None = None
    """Instead of the plugin's own; ``None`` takes that one."""
    app_id: int | None = None
    """Only for this app's exchanges."""
    on_stream: Literal["buffer", "refuse", "skip"] | None = None
    """Instead of the plugin's own; ``None`` takes that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmEntity(Entity):
    """A configured LLM."""

    slug: str
    name: str
    vendor: str
    endpoint: str
    api_key: str = field(default="", repr=False)
    """In clear, as decrypted; or where it is found: ``env:NAME``, ``file:/path``."""
    default_model: str = ""
    max_tokens: int = 0
    """Reserved as output where a request names no maximum, never written into a request; 0 is
    ``budget.default_output_tokens``."""
    timeout_seconds: float | None = None
    """Until the first byte of the answer; ``None`` is ``gateway.upstream``'s."""
    retry_count: int | None = None
    """Further attempts before the first byte; ``None`` is ``gateway.upstream.retries``."""
    is_active: bool = True
    monthly_budget_nanos: int = 0
    budget_reset_day: int = 1
    rate_limit_rpm: int = 0
    rate_limit_tpm: int = 0
    max_request_bytes: int = 0
    max_response_bytes: int = 0
    allowed_models: tuple[str, ...] = ()
    failover_llm_ids: tuple[int, ...] = ()
    allowed_upstreams: tuple[str, ...] = ()
    """Base URLs that a plugin's ``upstream_override`` may name; they get the vendor key."""
    """Asked in order where this one gave no first byte."""
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmLink:
    """An app may use this LLM; with a budget of its own for it, if any."""

    llm_id: int
    monthly_budget_nanos: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEntity(Entity):
    """A credentialed caller."""

    name: str
    description: str = ""
    owner_email: str = ""
    user_id: int | None = None
    is_active: bool = True
    bodies: Literal["default", "full", "redacted", "metadata", "none"] = "default"
    """What proxy logs keep of its exchanges; ``default`` is ``gateway.bodies.policy``."""
    monthly_budget_nanos: int = 0
    budget_reset_day: int = 1
    time_zone: str = "UTC"
    budget_fail: Literal["closed", "open"] = "closed"
    """What happens where the ledger cannot be asked."""
    rate_limit_rpm: int = 0
    rate_limit_tpm: int = 0
    max_concurrent: int = 0
    allowed_ips: tuple[str, ...] = ()
    """CIDR blocks or single addresses; empty allows all."""
    metadata: dict[str, Any] = field(default_factory=dict)
    llms: tuple[LlmLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntity(Entity):
    """A credential of an app; the token itself was shown once and is nowhere."""

    app_id: int
    name: str = ""
    prefix: str = ""
    sha256: str = field(repr=False)
    scopes: tuple[str, ...] = ("api",)
    """``api`` calls LLMs, ``admin`` manages, ``*`` is both."""
    is_active: bool = True
    expires_at: int | None = None
    last_used_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEntity(Entity):
    """What one model costs from some moment on."""

    key: str
    """The id that events carry: the file's, or ``price-<id>``."""
    price_version: str = "1"
    vendor: str
    model_name: str
    currency: str = "USD"
    prompt_nanos: int
    response_nanos: int
    cache_read_nanos: int
    cache_write_nanos: int
    valid_from: int = 0
    cache_write_1h_nanos: int | None = None
    """``None`` is the price of a nearer class, as for those that follow; see ``sluice.money.rates``."""
    audio_prompt_nanos: int | None = None
    audio_response_nanos: int | None = None
    image_prompt_nanos: int | None = None
    image_response_nanos: int | None = None
    request_nanos: int = 0
    """Of each request; so of ``tool_request_nanos``, of each call of the vendor's own tools."""
    tool_request_nanos: int = 0
    tiers: tuple[dict[str, int], ...] = ()
    """``above_prompt_tokens`` and the prices, by the names of these fields, that then hold instead."""
    batch_percent: int = 100
    """What a batch pays of what its tokens cost."""
    aliases: tuple[str, ...] = ()
    """Further names or globs of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntity(Entity):
    """A plugin as an operator registered it."""

    name: str
    slug: str
    description: str = ""
    command: str
    checksum: str = ""
    plugin_type: str = ""
    hook_types: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    is_active: bool = True
    timeout_ms: int = 1000
    on_failure: Literal["closed", "open"] | None = None
    namespace: str = ""
    on_stream: Literal["buffer", "refuse", "skip"] = "buffer"
    on_oversize: Literal["refuse", "skip"] = "refuse"
    max_concurrent: int = 0
    breaker_failures: int = 20
    breaker_pause_seconds: float = 10.0
    service_scopes: tuple[str, ...] = ()
    """What it may ask of the gateway, granted by an operator."""
    hook_types_customized: bool = False
    """Whether an operator chose ``hook_types``; else they are the manifest's, and follow it."""
    token: str = ""
    """``env:NAME`` or ``file:PATH``, never the token itself."""
    ca_file: str = ""
    manifest: dict[str, Any] | None = None
    """As the plugin said it when it was last validated; so of ``config_schema``."""
    config_schema: dict[str, Any] | None = None
    validated_at: int | None = None
    """Micros of the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entities:
    """Everything at one generation, by id. A generation is the number of the last change."""

    generation: int = 0
    llms: dict[int, LlmEntity] = field(default_factory=dict)
    apps: dict[int, AppEntity] = field(default_factory=dict)
    tokens: dict[int, TokenEntity] = field(default_factory=dict)
    prices: dict[int, PriceEntity] = field(default_factory=dict)
    plugins: dict[int, PluginEntity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed since a generation; ``None`` is deleted."""

    generation: int
    llms: dict[int, LlmEntity | None] = field(default_factory=dict)
    apps: dict[int, AppEntity | None] = field(default_factory=dict)
    tokens: dict[int, TokenEntity | None] = field(default_factory=dict)
    prices: dict[int, PriceEntity | None] = field(default_factory=dict)
    plugins: dict[int, PluginEntity | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something; stands in the audit."""

    name: str
    """``file``, ``bootstrap``, ``command``, or the token's name and prefix."""
    token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and how long the whole list is."""

    items: list[T]
    total: int
