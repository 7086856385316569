"""Price rows, and the table that finds the one that held when an exchange was admitted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from operator import attrgetter
from typing import TYPE_CHECKING

from sluice.money.rates import Rates, Tier

if TYPE_CHECKING:
    from sluice.money.base_prices import BasePrices

_GLOB_CHARACTERS = frozenset("*?[")
_MAX_REMEMBERED = 1024  # models are named by clients, so what is remembered of them is bounded
_MAX_REMEMBERED_CHARACTERS = 256
_PERCENT = 100
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs from some moment on. Prices are nanos per million tokens: a price of $2.50 per million
    tokens is 2,500,000,000."""

    id: str
    version: str
    vendor: str
    model: str
    """A model's exact name, or a glob such as ``gpt-4o*``."""
    currency: str
    prompt_nanos: int
    response_nanos: int
    cache_read_nanos: int
    cache_write_nanos: int
    valid_from: int = 0
    """Micros of the epoch."""
    cache_write_1h_nanos: int | None = None
    """``None`` is the price of a nearer class; see ``rates.NEARER``."""
    audio_prompt_nanos: int | None = None
    audio_response_nanos: int | None = None
    image_prompt_nanos: int | None = None
    image_response_nanos: int | None = None
    request_nanos: int = 0
    """Nanos of each request, whatever its tokens."""
    tool_request_nanos: int = 0
    """Nanos of each call of the vendor's own tools that ``Usage.tool_requests`` counts."""
    tiers: tuple[Tier, ...] = ()
    """By prompt size, the smallest first."""
    batch_percent: int = 100
    """What a batch pays of what its tokens cost."""
    batch: Price | None = None
    """Instead of ``batch_percent``: all that a batch is charged by."""
    aliases: tuple[str, ...] = ()
    """Further names, or globs, of the model."""
    hours: tuple[int, int] | None = None
    """Seconds of the day (UTC) from which and before which it holds; ``None`` is all day. May span midnight."""
    rates: Rates = field(init=False)

    def __post_init__(self) -> None:
        if self.request_nanos < 0 or self.tool_request_nanos < 0:
            message = f"price {self.id!r}: what a request costs is negative; a price is zero or more"
            raise ValueError(message)
        if not 0 <= self.batch_percent <= _PERCENT:
            message = f"price {self.id!r}: batch_percent is {self.batch_percent}; write 0 to {_PERCENT}"
            raise ValueError(message)
        try:
            object.__setattr__(self, "rates", self._rates())
        except ValueError as error:
            message = f"price {self.id!r}: {error}"
            raise ValueError(message) from None
        if len(self.tiers) > 1:
            object.__setattr__(self, "tiers", tuple(sorted(self.tiers, key=attrgetter("above_prompt_tokens"))))

    def _rates(self) -> Rates:
        """As ``rates_of`` of its own: price lists may have 100,000 rows."""
        prompt, response, write = self.prompt_nanos, self.response_nanos, self.cache_write_nanos
        return Rates(
            prompt,
            response,
            self.cache_read_nanos,
            write,
            write if self.cache_write_1h_nanos is None else self.cache_write_1h_nanos,
            prompt if self.audio_prompt_nanos is None else self.audio_prompt_nanos,
            response if self.audio_response_nanos is None else self.audio_response_nanos,
            prompt if self.image_prompt_nanos is None else self.image_prompt_nanos,
            response if self.image_response_nanos is None else self.image_response_nanos,
        )

    @property
    def knows_batch(self) -> bool:
        """Whether it says what a batch pays."""
        return self.batch is not None or self.batch_percent != _PERCENT

    def rates_for(self, prompt_tokens: int) -> Rates:
        """Those of the highest tier that a prompt of this size is above."""
        rates = self.rates
        for tier in self.tiers:
            if prompt_tokens <= tier.above_prompt_tokens:
                break
            rates = tier.rates
        return rates

    def holds_at(self, at_micros: int) -> bool:
        """Whether it is valid at a moment."""
        if self.valid_from > at_micros:
            return False
        if self.hours is None:
            return True
        start, end = self.hours
        second = at_micros // 1_000_000 % _SECONDS_PER_DAY
        return start <= second < end if start <= end else (second >= start or second < end)

    @property
    def is_glob(self) -> bool:
        """Whether ``model`` is a pattern."""
        return is_glob(self.model)


class PriceTable:
    """Immutable: a changed price list is a new table."""

    def __init__(self, prices: Iterable[Price] = (), base: BasePrices | None = None) -> None:
        """``base`` is asked for models of which no row of these holds."""
        rows = sorted(prices, key=attrgetter("valid_from"), reverse=True)
        _refuse_ambiguous(rows)
        self.rows = tuple(rows)
        """Its own, the newest first."""
        self._base = base
        self._by_id = {row.id: row for row in reversed(rows)}
        self._exact: dict[tuple[str, str], list[Price]] = {}
        globs: list[tuple[str, Price]] = []
        # sorted() is stable: of one name the newest comes first, and of one moment its own row before another's alias
        for name, row in sorted(_named(rows), key=lambda each: (-each[1].valid_from, each[0] != each[1].model)):
            if is_glob(name):
                globs.append((name, row))
            else:
                self._exact.setdefault((row.vendor, name), []).append(row)
        by_length = sorted(globs, key=lambda each: (-len(each[0]), each[0]))
        self._globs = [(re.compile(translate(name)), row) for name, row in by_length]
        self._remembered: dict[tuple[str, str], tuple[Price, ...]] = {}

    @property
    def base(self) -> BasePrices | None:
        """What lies below its rows."""
        return self._base

    def by_id(self, price_id: str) -> Price | None:
        """The newest row with this id, whatever models it is for."""
        found = self._by_id.get(price_id)
        return self._base.by_id(price_id) if found is None and self._base is not None else found

    def find(self, vendor: str, model: str, at_micros: int) -> Price | None:
        """The row that held at ``at_micros``: the exact name before the longest matching glob, the newest of each;
        the base table's where there is none."""
        key = (vendor, model)
        candidates = self._remembered.get(key)
        if candidates is None:
            candidates = self._remember(key)
        for price in candidates:
            if price.holds_at(at_micros):
                return price
        return None

    def candidates(self, vendor: str, model: str) -> tuple[Price, ...]:
        """All rows that may hold for a model, the one that ``find`` prefers first."""
        own = self._exact.get((vendor, model), ())
        globs = (row for pattern, row in self._globs if row.vendor == vendor and pattern.match(model))
        base = self._base.find(vendor, model) if self._base is not None else ()
        return tuple(dict.fromkeys((*own, *globs, *base)))

    def _remember(self, key: tuple[str, str]) -> tuple[Price, ...]:
        candidates = self.candidates(*key)
        if len(key[1]) <= _MAX_REMEMBERED_CHARACTERS:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = candidates
        return candidates


def is_glob(name: str) -> bool:
    """Whether a model's name is a pattern."""
    return not _GLOB_CHARACTERS.isdisjoint(name)


def _named(rows: list[Price]) -> Iterator[tuple[str, Price]]:
    for row in rows:
        for name in dict.fromkeys((row.model, *row.aliases)):
            yield name, row


def _refuse_ambiguous(rows: list[Price]) -> None:
    seen: dict[tuple[str, str, int], str] = {}
    for row in rows:
        key = (row.vendor, row.model, row.valid_from)
        if key in seen:
            message = (
                f"prices {seen[key]!r} and {row.id!r} are both for {row.vendor}/{row.model} from the same moment; "
                "remove one, or give it another valid_from"
            )
            raise ValueError(message)
        seen[key] = row.id
