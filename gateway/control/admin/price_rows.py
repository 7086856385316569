"""What ``sluice prices`` shows: prices as text, which of them holds and why, and what differs between two lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sluice.clock import iso_micros
from sluice.money.base_prices import ID_PREFIX
from sluice.money.nanos import format_nanos
from sluice.money.rates import CLASSES, NEARER

if TYPE_CHECKING:
    from sluice.money.prices import Price, PriceTable
    from sluice.money.rates import Rates

Row = dict[str, Any]
_FULL = 100


def price_row(price: Price) -> Row:
    """A price as decimal text for a million tokens; a class that has a nearer class's price is left out."""
    row: Row = {
        "source": "base" if price.id.startswith(ID_PREFIX) else "own",
        "id": price.id,
        "price_version": price.version,
        "vendor": price.vendor,
        "model": price.model,
        "currency": price.currency,
        **_rates(price.rates),
    }
    if price.request_nanos:
        row["per_request"] = format_nanos(price.request_nanos)
    if price.tool_request_nanos:
        row["per_tool_request"] = format_nanos(price.tool_request_nanos)
    if price.tiers:
        row["tiers"] = [{"above_prompt_tokens": tier.above_prompt_tokens, **_rates(tier.rates)} for tier in price.tiers]
    if price.batch is not None:
        row["batch"] = _rates(price.batch.rates)
    elif price.batch_percent != _FULL:
        row["batch_percent"] = price.batch_percent
    if price.aliases:
        row["aliases"] = list(price.aliases)
    if price.hours is not None:
        row["hours"] = _hours(price.hours)
    row["valid_from"] = iso_micros(price.valid_from)
    return row


def explain(table: PriceTable, vendor: str, model: str, at_micros: int) -> list[Row]:
    """Every row that is for a model, the one that holds first where one does, each with the reason."""
    candidates = table.candidates(vendor, model)
    holder = next((price for price in candidates if price.holds_at(at_micros)), None)
    rows = [
        {**price_row(price), "holds": price is holder, "why": _reason(price, holder, model, at_micros)}
        for price in candidates
    ]
    return sorted(rows, key=lambda row: not row["holds"])


def holding(table: PriceTable, prices: Iterable[Price], at_micros: int) -> Iterator[Row]:
    """Rows with whether each holds; a glob does where it is the newest of its pattern."""
    for price in prices:
        if price.is_glob:
            same = [other for other in table.rows if (other.vendor, other.model) == (price.vendor, price.model)]
            found = next((other for other in same if other.holds_at(at_micros)), None)
        else:
            found = table.find(price.vendor, price.model, at_micros)
        yield {**price_row(price), "holds": price is found}


def differences(before: Iterable[Price], after: Iterable[Price]) -> list[Row]:
    """What was added, removed or changed, by id; of a change, each field as it was and as it is."""
    old, new = _by_id(before), _by_id(after)
    rows: list[Row] = []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            found = now or was or {}
            kept = {name: found.get(name) for name in ("vendor", "model", "prompt", "response")}
            rows.append({"id": key, "change": "added" if was is None else "removed", **kept})
        elif was != now:
            names = [name for name in dict.fromkeys((*was, *now)) if was.get(name) != now.get(name)]
            fields = {name: {"from": was.get(name), "to": now.get(name)} for name in names}
            rows.append(
                {"id": key, "change": "changed", "vendor": now["vendor"], "model": now["model"], "fields": fields}
            )
    return rows


def _by_id(prices: Iterable[Price]) -> Mapping[str, Row]:
    """Without the version, in which the two differ anyway; of several rows of one id the newest."""
    found: dict[str, Row] = {}
    for price in sorted(prices, key=lambda each: each.valid_from):
        row = price_row(price)
        del row["price_version"]
        found[price.id] = row
    return found


def _rates(rates: Rates) -> Row:
    found = {name: getattr(rates, name) for name in CLASSES}
    shown = {"prompt", "response"}
    return {
        name: format_nanos(nanos)
        for name, nanos in found.items()
        if name in shown or nanos != found[NEARER.get(name, name)]
    }


def _reason(price: Price, holder: Price | None, model: str, at_micros: int) -> str:
    if price is holder:
        return _why_it_holds(price, model)
    if price.valid_from > at_micros:
        return f"begins at {iso_micros(price.valid_from)}"
    if holder is None or not price.holds_at(at_micros):
        return f"holds from {_hours(price.hours)} only" if price.hours is not None else "does not hold"
    return _why_behind(price, holder, model)


def _why_behind(price: Price, holder: Price, model: str) -> str:
    is_glob = _is_by_glob(price, model)
    if price.id.startswith(ID_PREFIX) and not holder.id.startswith(ID_PREFIX):
        return f"is of the base table, and {holder.id} is a row of your own"
    if is_glob and not _is_by_glob(holder, model):
        return f"is a glob, and {holder.id} names the model"
    if price.valid_from < holder.valid_from:
        return f"began before {holder.id}"
    return f"is a shorter glob than {holder.id}'s" if is_glob else f"comes behind {holder.id}"


def _why_it_holds(price: Price, model: str) -> str:
    if price.id.startswith(ID_PREFIX):
        return "no row of your own holds, and the base table knows the model"
    if price.model == model:
        how = "it names the model"
    elif model in price.aliases:
        how = "the model is one of its aliases"
    else:
        how = f"its glob {price.model!r} matches"
    return f"{how}, and it is the newest that has begun"


def _is_by_glob(price: Price, model: str) -> bool:
    return not price.id.startswith(ID_PREFIX) and model not in {price.model, *price.aliases}


def _hours(hours: tuple[int, int]) -> str:
    start, end = (f"{second // 3600:02d}:{second // 60 % 60:02d}" for second in hours)
    return f"{start} to {end} UTC"
