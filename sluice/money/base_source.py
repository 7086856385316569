"""The only importer of ``genai-prices``: its price data as the lines that ``base_prices.py`` reads.

The library takes 20 MiB and a fifth of a second, so no gateway loads it: ``make prices`` and ``sluice prices
update`` turn its data into a file of lines, once. Prices that our classes of usage cannot say (hours of sound, pages,
pixels) are left out, and a model of which nothing else is known has no price rather than none to pay.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sluice.money.base_prices import FORMAT, PACKAGED, BasePricesError
from sluice.money.nanos import NANOS_PER_UNIT

_MAX_NANOS = (1 << 63) - 1
_CALLS_PER_PRICE = 1000
_LINE_END = "\n"
_BATCH = {"processing": "batch"}
_FREE = re.compile(r":free$|^moderation$")
_BEGINNING = date(1970, 1, 1)
_CLASSES = {
    "input_mtok": "prompt",
    "output_mtok": "response",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_prompt",
    "output_audio_mtok": "audio_response",
    "input_image_mtok": "image_prompt",
    "output_image_mtok": "image_response",
}
_BY_REQUEST = {"requests_kcount": "request", "web_searches_kcount": "tool_request"}
_CLAUSES = {"starts_with": "^", "ends_with": "$", "contains": "*", "equals": "=", "regex": "~", "or_": "|", "and_": "&"}

Row = dict[str, Any]


def packaged_lines(day: str) -> str:
    """What the installed library knows; ``day`` is when it was asked, ``2026-11-26``."""
    from genai_prices import __version__  # noqa: PLC0415 - heavy, and for these two functions alone
    from genai_prices.data import providers  # noqa: PLC0415

    return lines_of(providers, f"genai-prices-{__version__}-{day}")


def write_packaged(day: str, path: Path = PACKAGED) -> str:
    """Write the packaged file anew where the library says something else; what was done."""
    lines = packaged_lines(day)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old.partition("\n")[2] == lines.partition("\n")[2]:
        return "nothing changed"
    path.write_text(lines, encoding="utf-8")
    return str(path)


def file_lines(content: bytes, day: str) -> str:
    """What a data file of the library's publishers says (their ``data.json``). Raises BasePricesError."""
    from genai_prices.types import _providers_from_raw  # noqa: PLC0415

    try:
        raw = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        message = f"it is no JSON ({error})"
        raise BasePricesError(message) from None
    if not isinstance(raw, list) or not raw:
        message = "it is no list of providers; take the data.json that genai-prices publishes"
        raise BasePricesError(message)
    try:
        providers = _providers_from_raw(raw)
        version = f"genai-prices-file-{hashlib.sha256(content).hexdigest()[:12]}-{day}"
        return lines_of(providers, version)
    except BasePricesError:
        raise
    except Exception as error:  # noqa: BLE001 - the library has no class of its own for what is wrong
        reason = f"{type(error).__name__}: {error}".partition(_LINE_END)[0][:200]
        message = f"it is not in the format of genai-prices ({reason})"
        raise BasePricesError(message) from None


def lines_of(providers: Sequence[Any], version: str) -> str:
    """A line that names the version, then for each provider an empty line, its own, and one for each model."""
    lines: list[str] = []
    count = 0
    for provider in providers:
        models = [_line(model) for model in provider.models]
        kept = [line for line in models if line]
        count += len(kept)
        own = {"id": provider.id, "like": list(provider.fallback_model_providers or ())}
        lines += ["", json.dumps(own, separators=(",", ":")), *kept]
    if not count:
        message = "it has no price of any model"
        raise BasePricesError(message)
    body = "\n".join(lines) + "\n"
    head = {"format": FORMAT, "version": version, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    return json.dumps(head, separators=(",", ":")) + "\n" + body


def _line(model: Any) -> str:
    rows = list(_rows(model))
    if not rows:
        return ""
    match = _clause(model.match)
    return json.dumps({"id": model.id, "match": match, "rows": rows}, separators=(",", ":"), ensure_ascii=False)


def _rows(model: Any) -> Iterator[Row]:
    """What holds from when on, the newest first, within a day hour by hour: as the library itself says."""
    previous: list[Row] = []
    found: list[list[Row]] = []
    for day in sorted(_starts(model)):
        rows = [row for row in (_row_at(model, day, hours) for hours in _hours(model)) if row is not None]
        plain = [{key: value for key, value in row.items() if key != "hours"} for row in rows]
        if all(row == plain[0] for row in plain):
            rows = plain[:1]
        if rows != previous:
            found.append([({**row, "from": day.isoformat()} if day > _BEGINNING else row) for row in rows])
        previous = rows
    for rows in reversed(found):
        yield from rows


def _row_at(model: Any, day: date, hours: tuple[int, int] | None) -> Row | None:
    at = datetime.combine(day, time(), UTC) + timedelta(seconds=hours[0] if hours else 0)
    row = _row(model.get_prices(at), model.id)
    if row is None:
        return None
    batch = _row(model.get_prices(at, _BATCH), model.id)
    if batch is not None and batch != row:
        row["batch"] = batch
    return {**row, "hours": list(hours)} if hours else row


def _row(prices: Any, name: str) -> Row | None:
    values = {key: value for key, value in vars(prices).items() if not key.startswith("_") and value is not None}
    if not values and _FREE.search(name):
        return {"prompt": 0, "response": 0}
    row: Row = {}
    for key, kept in _CLASSES.items():
        if key in values:
            row[kept] = _priced(values[key], kept)
    if "prompt" not in row:
        return None
    for key, kept in _BY_REQUEST.items():
        if key in values:
            row[kept] = _nanos(_plain(values[key]), key, _CALLS_PER_PRICE)
    return row


def _priced(value: Any, name: str) -> int | list[Any]:
    if isinstance(value, Decimal):
        return _nanos(value, name)
    tiers = [[tier.start, _nanos(tier.price, name)] for tier in value.tiers]
    if any(type(start) is not int or start < 0 for start, _ in tiers):
        message = f"it has a tier of {name} that begins at no number of tokens"
        raise BasePricesError(message)
    return [_nanos(value.base, name), *tiers]


def _plain(value: Any) -> Decimal:
    plain: Decimal = value if isinstance(value, Decimal) else value.base
    return plain


def _nanos(value: Decimal, name: str, parts: int = 1) -> int:
    numerator, denominator = value.as_integer_ratio() if value.is_finite() else (-1, 1)
    # finer than a nano for a million tokens is written by nobody but arithmetic: to the nearest
    nanos = round(Decimal(numerator * NANOS_PER_UNIT) / (denominator * parts))
    if not 0 <= nanos <= _MAX_NANOS:
        message = f"it has a price of {name} that is no amount of zero or more: {value}"
        raise BasePricesError(message)
    return nanos


def _starts(model: Any) -> set[date]:
    priced = (*_conditions(model), *(model.price_variants or ()))
    starts = (getattr(each.constraint, "start_date", None) for each in priced)
    return {_BEGINNING, *(start for start in starts if start is not None)}


def _hours(model: Any) -> list[tuple[int, int] | None]:
    """The parts of a day at whose ends something begins or ends."""
    cuts: set[int] = set()
    for price in _conditions(model):
        if hasattr(price.constraint, "start_time"):
            cuts |= {_second(price.constraint.start_time), _second(price.constraint.end_time)}
    ordered = sorted(cuts)
    return [*zip(ordered, ordered[1:] + ordered[:1], strict=True)] if ordered else [None]


def _conditions(model: Any) -> Sequence[Any]:
    return model.prices if isinstance(model.prices, list) else ()


def _second(at: time) -> int:
    moment = datetime.combine(_BEGINNING, at, at.tzinfo or UTC).astimezone(UTC)
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def _clause(clause: Any) -> list[Any]:
    for name, sign in _CLAUSES.items():
        if hasattr(clause, name):
            value = getattr(clause, name)
            if isinstance(value, str):
                if sign == "~":
                    _is_pattern(value)
                    return [sign, value]
                return [sign, value.lower()]
            return [sign, [_clause(each) for each in value]]
    message = f"it matches models by {type(clause).__name__}, which is not known here"
    raise BasePricesError(message)


def _is_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        message = f"it has a pattern that is none ({error})"
        raise BasePricesError(message) from None
