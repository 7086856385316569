"""Everything a request reads, immutable and in memory; swapped whole when configuration changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.upstreams.client import Headers, Origin
from gateway.upstreams.vendors.dialect import Dialect
from gateway.upstreams.vendors.openai import OpenAi
from sluice.money.nanos import parse_nanos
from sluice.money.prices import Price, PriceTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import LlmSettings, PriceSettings, Settings
    from sluice.plugin_host.chain import Chain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

DIALECTS: dict[str, Dialect] = {"openai": OpenAi()}


@dataclass(frozen=True, slots=True)
class Chains:
    """The plugins of one LLM, a chain a hook; ``None`` where there are none, so that nobody pays for it."""

    pre_auth: Chain | None = None
    post_auth: Chain | None = None
    response_headers: Chain | None = None
    response_body: Chain | None = None


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


@dataclass(frozen=True, slots=True)
class Token:
    """What a credential's hash stands for."""

    app: App
    expires_at: int | None
    """Micros of the epoch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the configuration."""

    llms_by_slug: Mapping[str, Llm]
    llms_by_id: Mapping[int, Llm]
    tokens: Mapping[str, Token]
    """By SHA-256 in hex."""
    prices: PriceTable


def build_snapshot(settings: Settings, chains: Mapping[str, Chains]) -> Snapshot:
    """The snapshot of a settings tree; ``chains`` by slug, made by whoever owns the plugins' lives."""
    llms = [_llm(llm, chains.get(llm.slug, Chains())) for llm in settings.llms]
    ids = {llm.slug: llm.id for llm in llms}
    apps = {
        app.id: App(app.id, app.name, app.user_id, frozenset(ids[slug] for slug in app.llms), app.bodies)
        for app in settings.apps
    }
    return Snapshot(
        llms_by_slug={llm.slug: llm for llm in llms},
        llms_by_id={llm.id: llm for llm in llms},
        tokens={token.sha256: Token(apps[token.app], _micros(token.expires_at)) for token in settings.tokens},
        prices=price_table(settings),
    )


def price_table(settings: Settings) -> PriceTable:
    """The configured prices."""
    return PriceTable([_price(price, settings.price_version) for price in settings.prices])


def _llm(llm: LlmSettings, chains: Chains) -> Llm:
    url = urlsplit(llm.base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    dialect = DIALECTS[llm.vendor]
    return Llm(
        id=llm.id,
        slug=llm.slug,
        vendor=llm.vendor,
        dialect=dialect,
        origin=Origin(url.scheme, url.hostname or "", port),
        host=url.netloc.rpartition("@")[2].encode("idna" if not url.netloc.isascii() else "ascii"),
        base_path=url.path.rstrip("/"),
        authorization=dialect.authorize(llm.api_key.get_secret_value()),
        allowed_models=tuple(re.compile(pattern) for pattern in llm.allowed_models),
        default_model=llm.default_model,
        labels=list(llm.labels),
        chains=chains,
    )


def _price(price: PriceSettings, version: str) -> Price:
    return Price(
        id=price.id,
        version=version,
        vendor=price.vendor,
        model=price.model,
        currency=price.currency,
        prompt_nanos=parse_nanos(price.prompt),
        response_nanos=parse_nanos(price.response),
        cache_read_nanos=parse_nanos(price.cache_read if price.cache_read is not None else price.prompt),
        cache_write_nanos=parse_nanos(price.cache_write if price.cache_write is not None else price.prompt),
        valid_from=_micros(price.valid_from) or 0,
    )


def _micros(at: datetime | None) -> int | None:
    """Exactly: a float would lose some of them. Without a zone it is UTC."""
    if at is None:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
