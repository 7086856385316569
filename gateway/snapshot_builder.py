"""From entities to a snapshot, and from one snapshot to the next: what did not change is not built again.

What cannot be built (a key that is not there, an endpoint that is none) is an LLM whose calls say so, and a line in the
log; an app or a price that cannot be built is left out. Neither keeps the rest from being served.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog

from gateway.access.addresses import parse_network
from gateway.access.vendor_keys import VendorKeyError, VendorKeys
from gateway.bridge.view import bridged
from gateway.control.entities import (
    AppEntity,
    Changes,
    Entities,
    LlmEntity,
    PriceEntity,
    TokenEntity,
)
from gateway.sharded_map import ShardedMap
from gateway.snapshot import NOTHING, Address, App, Chains, Llm, Snapshot, Token
from gateway.upstreams.client import Headers, Origin
from gateway.upstreams.vendors.dialect import Dialect, Signer
from gateway.upstreams.vendors.openai import OpenAi
from gateway.upstreams.vendors.registry import dialect_of
from sluice.money.prices import Price, PriceTable
from sluice.money.rates import CLASSES, Tier, tier_rates

if TYPE_CHECKING:
    from gateway.access.addresses import Network
    from sluice.money.base_prices import BasePrices

_FALLBACK_DIALECT: Dialect = OpenAi()
"""In which an LLM that cannot be called says so."""

ChainsOf = Callable[[LlmEntity], Chains | None]
"""An LLM's chains; ``None`` while plugins of it are being loaded: until then it stays as it was."""

_MAX_SHARED = 4096
"""Values that are looked for again before what is known of them is forgotten: those of the dead would stay for ever."""
_ALL_SCOPES = ("api", "admin", "*")

T = TypeVar("T", bound=Hashable)

logger = structlog.get_logger(__name__)


def no_chains(_: LlmEntity) -> Chains:
    """Of LLMs without plugins."""
    return Chains()


def build_snapshot(entities: Entities, chains: ChainsOf = no_chains, keys: VendorKeys | None = None) -> Snapshot:
    """The snapshot of these entities."""
    return SnapshotBuilder(chains, keys).build(entities)


def price_table(prices: Iterable[PriceEntity], base: BasePrices | None = None) -> PriceTable:
    """The price list of these rows, over a base table."""
    return PriceTable((_price(row) for row in prices), base)


class SnapshotBuilder:
    """Makes the snapshots of one worker. Values that many have in common are kept once."""

    def __init__(
        self,
        chains: ChainsOf = no_chains,
        keys: VendorKeys | None = None,
        *,
        allows_private: bool = True,
        base: BasePrices | None = None,
    ) -> None:
        """``allows_private``: whether LLMs that are not the file's may be at private addresses. ``base``: what lies
        below the price list."""
        self._base = base
        self._chains = chains
        self._keys = keys or VendorKeys()
        self._allows_private = allows_private
        self._shared: dict[Any, Any] = {}

    def build(self, entities: Entities) -> Snapshot:
        """All of it, from nothing."""
        everything = Changes(
            generation=entities.generation,
            llms=dict(entities.llms),
            apps=dict(entities.apps),
            tokens=dict(entities.tokens),
            prices=dict(entities.prices),
        )
        return self.change(Snapshot(), everything)

    def change(self, snapshot: Snapshot, changes: Changes) -> Snapshot:
        """The next state. What did not change is the same object in both."""
        by_id, by_slug = self._llms(snapshot, changes.llms)
        hashes, tokens = self._tokens(snapshot, changes.tokens)
        rows, prices = snapshot.price_rows, snapshot.prices
        if prices.base is not self._base:  # the first one
            prices = PriceTable(rows.values(), self._base)
        if changes.prices:
            made = {**rows, **_made(changes.prices, _price)}
            rows = {price_id: row for price_id, row in made.items() if row is not None}
            prices = PriceTable(rows.values(), self._base)
        return Snapshot(
            llms_by_slug=by_slug,
            llms_by_id=by_id,
            tokens=tokens,
            prices=prices,
            apps=snapshot.apps.changed(_made(changes.apps, self._app)),
            token_hashes=hashes,
            price_rows=rows,
            generation=changes.generation,
        )

    def _llms(
        self, snapshot: Snapshot, changes: Mapping[int, LlmEntity | None]
    ) -> tuple[Mapping[int, Llm], Mapping[str, Llm]]:
        if not changes:
            return snapshot.llms_by_id, snapshot.llms_by_slug
        by_id = dict(snapshot.llms_by_id)
        for llm_id, entity in changes.items():
            made = None if entity is None or not entity.is_active else self._llm(entity, by_id.get(llm_id))
            by_id.pop(llm_id, None)
            if made is not None:
                by_id[llm_id] = made
        return by_id, {llm.slug: llm for llm in by_id.values()}

    def _tokens(
        self, snapshot: Snapshot, changes: Mapping[int, TokenEntity | None]
    ) -> tuple[ShardedMap[int, str], ShardedMap[str, Token]]:
        active = {token_id: token if token and token.is_active else None for token_id, token in changes.items()}
        known = (snapshot.token_hashes.get(token_id) for token_id in active)
        tokens: dict[str, Token | None] = {sha256: None for sha256 in known if sha256 is not None}
        tokens.update({token.sha256: self._token(token) for token in active.values() if token})
        hashes = {token_id: token.sha256 if token else None for token_id, token in active.items()}
        return snapshot.token_hashes.changed(hashes), snapshot.tokens.changed(tokens)

    def _llm(self, entity: LlmEntity, before: Llm | None) -> Llm | None:
        chains = self._chains(entity)
        if chains is None:
            if before is None:
                return None  # nobody gets past its plugins before they are there
            chains = replace(before.chains, by_app={app: llm.chains for app, llm in before.by_app.items()})
        llm = self._callable_llm(entity, chains)
        if chains.by_app:
            own = {app_id: replace(llm, chains=own) for app_id, own in chains.by_app.items()}
            llm = replace(llm, by_app=own)
        return replace(llm, bridged=bridged(llm))

    def _callable_llm(self, entity: LlmEntity, chains: Chains) -> Llm:
        problem = ""
        dialect: Dialect = _FALLBACK_DIALECT
        signer: Signer | None = None
        authorization: Headers = []
        address = Address(Origin("http", "", 0), b"", "")
        upstreams: Mapping[str, Address] = NOTHING
        allowed: tuple[re.Pattern[str], ...] = ()
        try:
            dialect = dialect_of(entity.vendor)
            address = self._address(entity, entity.endpoint)
            upstreams = self._upstreams(entity)
            allowed = tuple(re.compile(pattern) for pattern in entity.allowed_models)
            key = self._keys.find(entity.api_key)
            authorization, signer = dialect.authorize(key), dialect.signer(key, entity.endpoint)
        except VendorKeyError as error:
            problem = str(error)
        except (ValueError, re.error) as error:
            problem = f"its configuration cannot be used ({error}); correct it"
        if problem:
            logger.error("llm cannot be called", llm_id=entity.id, llm_slug=entity.slug, problem=problem)
        return Llm(
            id=entity.id,
            slug=entity.slug,
            vendor=entity.vendor,
            dialect=dialect,
            origin=address.origin,
            host=address.host,
            base_path=address.base_path,
            authorization=authorization,
            signer=signer,
            allowed_models=allowed,
            default_model=entity.default_model,
            labels=list(entity.labels),
            chains=replace(chains, by_app=NOTHING),
            timeout_seconds=entity.timeout_seconds,
            retry_count=entity.retry_count,
            failover_ids=entity.failover_llm_ids,
            max_tokens=entity.max_tokens,
            max_request_bytes=entity.max_request_bytes,
            max_response_bytes=entity.max_response_bytes,
            monthly_budget_nanos=entity.monthly_budget_nanos,
            budget_reset_day=entity.budget_reset_day,
            rate_limit_rpm=entity.rate_limit_rpm,
            rate_limit_tpm=entity.rate_limit_tpm,
            upstreams=upstreams,
            problem=problem,
        )

    def _address(self, entity: LlmEntity, url: str) -> Address:
        address = address_of(url)
        allows_private = self._allows_private or entity.managed_by == "file"
        return address._replace(origin=msgspec.structs.replace(address.origin, allows_private=allows_private))

    def _upstreams(self, entity: LlmEntity) -> Mapping[str, Address]:
        """Its own endpoint is among them: a plugin that chooses may choose that."""
        if not entity.allowed_upstreams:
            return NOTHING
        urls = dict.fromkeys(url.rstrip("/") for url in (entity.endpoint, *entity.allowed_upstreams))
        return {url: self._address(entity, url) for url in urls}

    def _app(self, entity: AppEntity) -> App:
        budgets = {link.llm_id: link.monthly_budget_nanos for link in entity.llms if link.monthly_budget_nanos}
        return App(
            id=entity.id,
            name=entity.name,
            user_id=entity.user_id,
            llm_ids=self._share(frozenset(link.llm_id for link in entity.llms)),
            bodies=self._share(entity.bodies),
            is_active=entity.is_active,
            allowed_ips=self._networks(entity),
            monthly_budget_nanos=entity.monthly_budget_nanos,
            llm_budgets=MappingProxyType(budgets) if budgets else NOTHING,
            budget_reset_day=entity.budget_reset_day,
            time_zone=self._share(entity.time_zone),
            budget_fail=self._share(entity.budget_fail),
            rate_limit_rpm=entity.rate_limit_rpm,
            rate_limit_tpm=entity.rate_limit_tpm,
            max_concurrent=entity.max_concurrent,
        )

    def _networks(self, entity: AppEntity) -> tuple[Network, ...]:
        if not entity.allowed_ips:
            return ()
        known: tuple[Network, ...] | None = self._shared.get(entity.allowed_ips)
        if known is None:
            known = tuple(parse_network(block) for block in entity.allowed_ips)
            self._shared[entity.allowed_ips] = known
        return known

    def _token(self, entity: TokenEntity) -> Token:
        scopes = _ALL_SCOPES if "*" in entity.scopes else entity.scopes
        return Token(
            id=entity.id,
            app_id=entity.app_id,
            scopes=self._share(frozenset(scopes)),
            expires_at=entity.expires_at,
            name=entity.name,
            prefix=entity.prefix,
        )

    def _share(self, value: T) -> T:
        """The one of many equal values that is kept."""
        if len(self._shared) >= _MAX_SHARED:
            self._shared.clear()
        shared: T = self._shared.setdefault(value, value)
        return shared


def address_of(endpoint: str) -> Address:
    """Where a base URL says that a vendor is; ValueError for what is no address."""
    url = urlsplit(endpoint)
    if url.scheme not in {"http", "https"} or not url.hostname:
        message = "the endpoint is no absolute http:// or https:// URL"
        raise ValueError(message)
    port = url.port or (443 if url.scheme == "https" else 80)
    host = url.netloc.rpartition("@")[2]
    encoded = host.encode("ascii" if host.isascii() else "idna")
    return Address(Origin(url.scheme, url.hostname, port), encoded, url.path.rstrip("/"))


EntityT = TypeVar("EntityT")
ValueT = TypeVar("ValueT")


def _made(changes: Mapping[int, EntityT | None], make: Callable[[EntityT], ValueT]) -> dict[int, ValueT | None]:
    """What changed, as it is served; ``None`` for what is not."""
    made: dict[int, ValueT | None] = dict.fromkeys(changes)
    for entity_id, entity in changes.items():
        if entity is None:
            continue
        try:
            made[entity_id] = make(entity)
        except ValueError as error:  # whoever wrote it checked it: another program did
            logger.warning("entity left out", kind=type(entity).__name__, entity_id=entity_id, error=str(error))
    return made


def _price(row: PriceEntity) -> Price:
    return Price(
        id=row.key,
        version=row.price_version,
        vendor=row.vendor,
        model=row.model_name,
        currency=row.currency,
        prompt_nanos=row.prompt_nanos,
        response_nanos=row.response_nanos,
        cache_read_nanos=row.cache_read_nanos,
        cache_write_nanos=row.cache_write_nanos,
        valid_from=row.valid_from,
        cache_write_1h_nanos=row.cache_write_1h_nanos,
        audio_prompt_nanos=row.audio_prompt_nanos,
        audio_response_nanos=row.audio_response_nanos,
        image_prompt_nanos=row.image_prompt_nanos,
        image_response_nanos=row.image_response_nanos,
        request_nanos=row.request_nanos,
        tool_request_nanos=row.tool_request_nanos,
        tiers=tuple(_tier(row, tier) for tier in row.tiers),
        batch_percent=row.batch_percent,
        aliases=row.aliases,
    )


def _tier(row: PriceEntity, tier: Mapping[str, int]) -> Tier:
    given = {name: getattr(row, f"{name}_nanos") for name in CLASSES}
    try:
        own = {name: tier[f"{name}_nanos"] for name in CLASSES if f"{name}_nanos" in tier}
        return Tier(tier["above_prompt_tokens"], tier_rates(given, own))
    except (KeyError, TypeError) as error:  # whoever wrote it checked it: another program did
        message = f"price {row.key!r} has a tier that is none ({error!r})"
        raise ValueError(message) from None
