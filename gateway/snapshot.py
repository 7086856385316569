"""Everything a request reads, immutable and in memory; swapped whole when configuration changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.sharded_map import ShardedMap
from gateway.upstreams.client import Headers, Origin
from gateway.upstreams.vendors.dialect import Dialect, Signer
from sluice.money.prices import Price, PriceTable

if TYPE_CHECKING:
    from gateway.access.addresses import Network
    from sluice.plugin_host.chain import Chain, Link

NOTHING: Mapping[Any, Any] = MappingProxyType({})
"""The empty mapping that everybody shares."""


def nothing() -> Mapping[Any, Any]:
    """For fields that are mostly empty."""
    return NOTHING


@dataclass(frozen=True, slots=True)
class Chains:
    """The plugins of one LLM, a chain a hook; ``None`` where there are none, so that nobody pays for it."""

    pre_auth: Chain | None = None
    auth: Chain | None = None
    """Instead of tokens, where there is one."""
    post_auth: Chain | None = None
    response_headers: Chain | None = None
    response_body: Chain | None = None
    """Of whole bodies."""
    stream_chunks: Chain | None = None
    """Of streams, piece by piece; ``None`` where some plugin reads them whole."""
    stream_whole: Chain | None = None
    """Of streams that are gathered to their end, as some plugin reads them whole; a plugin that handles chunks gets it
    as one."""
    stream_refused_by: str = ""
    """The plugin whose ``on_stream`` refuses streams, or empty."""
    stream_skipped: tuple[Link, ...] = ()
    """Those that streams pass by, to be counted."""
    stream_complete: Chain | None = None
    by_app: Mapping[int, Chains] = field(default_factory=nothing)
    """Instead of these, for an app that attachments name; its ``pre_auth`` and ``auth`` are never run."""
    acts_on_streams: bool = field(init=False, default=False)
    """Whether any of the fields about streams says something."""

    def __post_init__(self) -> None:
        says = self.stream_chunks or self.stream_whole or self.stream_refused_by or self.stream_skipped
        if self.response_body and not says:  # nobody passes a filter by asking for a stream
            object.__setattr__(self, "stream_whole", self.response_body)
        object.__setattr__(self, "acts_on_streams", bool(says or self.stream_whole or self.stream_complete))


class Address(NamedTuple):
    """Where a vendor is called: where to connect, what ``Host`` says, what stands before each path."""

    origin: Origin
    host: bytes
    base_path: str


@dataclass(frozen=True, slots=True)
class Llm:
    """A configured LLM, ready to be called."""

    id: int
    slug: str
    vendor: str
    dialect: Dialect
    origin: Origin
    host: bytes
    base_path: str
    authorization: Headers
    allowed_models: tuple[re.Pattern[str], ...]
    default_model: str
    labels: list[str]
    chains: Chains
    timeout_seconds: float | None = None
    """Until the first byte; ``None`` is ``gateway.upstream``'s."""
    retry_count: int | None = None
    failover_ids: tuple[int, ...] = ()
    max_tokens: int = 0
    """Reserved as output where a request names no maximum; 0 is ``budget.default_output_tokens``."""
    max_request_bytes: int = 0
    """0 is the gateway's; so of every limit below, where it is none at all."""
    max_response_bytes: int = 0
    monthly_budget_nanos: int = 0
    budget_reset_day: int = 1
    rate_limit_rpm: int = 0
    rate_limit_tpm: int = 0
    upstreams: Mapping[str, Address] = field(default_factory=nothing)
    """By base URL, without a slash at its end: where a plugin may send its calls instead, with its key."""
    signer: Signer | None = None
    """Where its vendor takes no static key."""
    problem: str = ""
    """Why its vendor cannot be called, or empty."""
    by_app: Mapping[int, Llm] = field(default_factory=nothing)
    """The same LLM as an app sees it that attachments name: with chains of its own."""
    bridged: Llm | None = None
    """The same LLM as clients of the bridge see it: its ``dialect`` is OpenAI's."""
    spoken: Dialect | None = None
    """Of such a view the vendor's own dialect; ``None`` is ``dialect``."""
    is_limited: bool = field(init=False, default=False)
    """Whether it has a budget or rate limits."""

    def __post_init__(self) -> None:
        limits = (self.monthly_budget_nanos, self.rate_limit_rpm, self.rate_limit_tpm)
        object.__setattr__(self, "is_limited", any(limits))

    def allows(self, model: str | None) -> bool:
        """Whether the model is on the allow-list; an empty list allows all, a missing model only that one."""
        if not self.allowed_models:
            return True
        return model is not None and any(pattern.fullmatch(model) for pattern in self.allowed_models)


@dataclass(frozen=True, slots=True)
class App:
    """A credentialed caller."""

    id: int
    name: str
    user_id: int | None
    llm_ids: frozenset[int]
    bodies: str
    is_active: bool = True
    allowed_ips: tuple[Network, ...] = ()
    monthly_budget_nanos: int = 0
    llm_budgets: Mapping[int, int] = field(default_factory=nothing)
    """LLM id → nanos a month, where the link has a budget of its own."""
    budget_reset_day: int = 1
    time_zone: str = "UTC"
    budget_fail: str = "closed"
    rate_limit_rpm: int = 0
    rate_limit_tpm: int = 0
    max_concurrent: int = 0
    is_limited: bool = field(init=False, default=False)
    """Whether it has a budget, also for one LLM alone, or limits."""

    def __post_init__(self) -> None:
        limits = (self.monthly_budget_nanos, self.rate_limit_rpm, self.rate_limit_tpm, self.max_concurrent)
        object.__setattr__(self, "is_limited", any(limits) or any(self.llm_budgets.values()))


@dataclass(frozen=True, slots=True)
class Token:
    """What a credential's hash stands for; an app that changes leaves it as it is."""

    id: int
    app_id: int
    scopes: frozenset[str]
    """``*`` is written out as what it stands for."""
    expires_at: int | None = None
    """Micros of the epoch."""
    name: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the configuration. What is not active is not in it, but for apps: they are told so."""

    llms_by_slug: Mapping[str, Llm] = field(default_factory=nothing)
    llms_by_id: Mapping[int, Llm] = field(default_factory=nothing)
    tokens: ShardedMap[str, Token] = field(default_factory=ShardedMap)
    """By SHA-256 in hex."""
    prices: PriceTable = field(default_factory=PriceTable)
    apps: ShardedMap[int, App] = field(default_factory=ShardedMap)
    token_hashes: ShardedMap[int, str] = field(default_factory=ShardedMap)
    """Of each token in ``tokens``, by its id."""
    price_rows: Mapping[int, Price] = field(default_factory=nothing)
    """What ``prices`` was made of, by the ids of the entities."""
    generation: int = 0


class SnapshotHolder:
    """The present snapshot; swapped whole."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def get(self) -> Snapshot:
        """The one that holds now."""
        return self._snapshot

    def replace(self, snapshot: Snapshot) -> None:
        """From the next request on."""
        self._snapshot = snapshot


class PresentPrices:
    """The price table that holds now, for what outlives a snapshot."""

    def __init__(self, snapshots: SnapshotHolder) -> None:
        self._snapshots = snapshots

    def by_id(self, price_id: str) -> Price | None:
        """As ``PriceTable.by_id``."""
        return self._snapshots.get().prices.by_id(price_id)

    def find(self, vendor: str, model: str, at_micros: int) -> Price | None:
        """As ``PriceTable.find``."""
        return self._snapshots.get().prices.find(vendor, model, at_micros)
