"""The base table: what vendors publish, for models that no row of the operator's own is for.

A file of lines (``base_prices.jsonl``, made by ``make prices``, or a newer one in the data directory), read provider by
provider when one of its models is first asked for. ``base_source.py`` writes it and is all that knows the library.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from sluice.clock import micros_of
from sluice.money.prices import Price
from sluice.money.rates import CLASSES, Tier, rates_of

PACKAGED = Path(__file__).with_name("base_prices.jsonl")
FILE_NAME = "base_prices.jsonl"
"""In the data directory, of ``sluice prices update``: instead of the packaged one."""
ID_PREFIX = "base:"
FORMAT = 1
MAX_FILE_BYTES = 32 << 20
MAX_MODEL_CHARACTERS = 256
"""No vendor's model has a longer name; who asks for one is not looked for."""
_CURRENCY = "USD"
_PROVIDERS = {
    "google_ai": "google",
    "vertex": "google",
    "bedrock": "aws",
    "xai": "x-ai",
    "ollama": "",  # runs where its operator pays for it
    "compatible": "",
    "mock": "",
}
"""Our vendor → the table's provider, where they are called otherwise; empty has none."""
_COMPACT_DATE = re.compile(r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")

Match = Callable[[str], bool]
Given = dict[str, int | list[Any]]


class BasePricesError(ValueError):
    """A file that is not what the base table reads."""


class _Header(msgspec.Struct):
    format: int
    version: str
    sha256: str
    """Of all that follows the first line."""


class _Provider(msgspec.Struct):
    id: str
    like: list[str] = []


class _Row(msgspec.Struct, rename={"valid_from": "from"}):
    prompt: Any
    response: Any = None
    cache_read: Any = None
    cache_write: Any = None
    cache_write_1h: Any = None
    audio_prompt: Any = None
    audio_response: Any = None
    image_prompt: Any = None
    image_response: Any = None
    request: int = 0
    tool_request: int = 0
    batch: _Row | None = None
    hours: tuple[int, int] | None = None
    valid_from: date | None = None


class _Model(msgspec.Struct):
    id: str
    match: list[Any]
    rows: list[_Row]


class _Section:
    """One provider's models, each with its rows as prices once it was asked for."""

    def __init__(self, lines: str, version: str) -> None:
        self.provider = _provider(lines)
        models = lines.split("\n")[1:]
        decoded = msgspec.json.Decoder(_Model)
        self._version = version
        self._models = [decoded.decode(line) for line in models]
        self._matches = [(_match(model.match), model) for model in self._models]
        self._made: dict[str, tuple[Price, ...]] = {}

    def find(self, model: str) -> tuple[Price, ...]:
        """The rows of the first model that this name matches; empty where none does."""
        for matches, found in self._matches:
            if matches(model):
                return self.rows(found)
        return ()

    def named(self, price_id: str) -> Iterator[Price]:
        """The rows of models whose names an id may begin with."""
        name = price_id.removeprefix(f"{ID_PREFIX}{self.provider.id}/")
        return (row for model in self._models if name.startswith(model.id) for row in self.rows(model))

    def models(self) -> Iterator[tuple[Price, ...]]:
        """The rows of each model."""
        return (self.rows(model) for model in self._models)

    def rows(self, model: _Model) -> tuple[Price, ...]:
        """Those of one model, the newest first."""
        made = self._made.get(model.id)
        if made is None:
            names = _names(f"{ID_PREFIX}{self.provider.id}/{model.id}", model.rows)
            prices = (_price(name, self._version, self.provider.id, model.id, row) for name, row in names)
            made = self._made[model.id] = tuple(prices)
        return made


class BasePrices:
    """Immutable; shared by all price lists of a process."""

    def __init__(self, text: str) -> None:
        """``text`` is the file's. Raises BasePricesError where its first line says that it is none."""
        header, _, body = text.partition("\n")
        try:
            head = msgspec.json.decode(header, type=_Header)
        except msgspec.DecodeError as error:
            message = f"it is no table of base prices ({error}); make it with `sluice prices update`"
            raise BasePricesError(message) from None
        if head.format != FORMAT:
            message = f"it is of format {head.format}, and this version reads {FORMAT}; make it anew"
            raise BasePricesError(message)
        if hashlib.sha256(body.encode()).hexdigest() != head.sha256:
            message = "it is not as it was made: its checksum is another; make it anew with `sluice prices update`"
            raise BasePricesError(message)
        self.version = head.version
        self._texts: Mapping[str, str] = {_provider(each).id: each for each in _sections(body)}
        self._sections: dict[str, _Section] = {}

    @property
    def providers(self) -> list[str]:
        """Their names, as in the file."""
        return list(self._texts)

    def find(self, vendor: str, model: str) -> tuple[Price, ...]:
        """The rows of a model, the newest first: of the vendor itself, else of those whose models it serves too."""
        if len(model) > MAX_MODEL_CHARACTERS:
            return ()
        provider, name = _provider_of(vendor, model)
        found = self._find(provider, name)
        if not found:
            dashed = _COMPACT_DATE.sub(r"\1\2-\3-\4", name)
            found = self._find(provider, dashed) if dashed != name else ()
        return found

    def by_id(self, price_id: str) -> Price | None:
        """The newest row with this id."""
        if not price_id.startswith(ID_PREFIX):
            return None
        section = self._section(price_id.removeprefix(ID_PREFIX).partition("/")[0])
        if section is None:
            return None
        rows = section.named(price_id)
        return next((row for row in rows if row.id == price_id), None)

    def rows(self, vendor: str) -> Iterator[Price]:
        """All rows of a vendor's own models."""
        section = self._section(_PROVIDERS.get(vendor, vendor))
        for rows in section.models() if section is not None else ():
            yield from rows

    def check(self) -> int:
        """Read all of it; how many models it has. Raises BasePricesError."""
        count = 0
        for name in self._texts:
            section = self._section(name)
            try:
                count += sum(1 for _ in section.models()) if section is not None else 0
            except (TypeError, ValueError) as error:
                message = f"what it says of {name} cannot be read ({error}); make it anew"
                raise BasePricesError(message) from None
        return count

    def _find(self, provider: str, name: str) -> tuple[Price, ...]:
        section = self._section(provider)
        if section is None:
            return ()
        found = section.find(name)
        if found:
            return found
        for other in section.provider.like:
            like = self._section(other)
            rows = like.find(name) if like is not None else ()
            if rows:
                return tuple(_without_batch(row) for row in rows)
        return ()

    def _section(self, provider: str) -> _Section | None:
        section = self._sections.get(provider)
        if section is None and provider in self._texts:
            try:
                section = self._sections[provider] = _Section(self._texts[provider], self.version)
            except (msgspec.DecodeError, re.error, TypeError, ValueError, LookupError) as error:
                message = f"what it says of {provider} cannot be read ({error}); make it anew"
                raise BasePricesError(message) from None
        return section


def _sections(body: str) -> list[str]:
    return [section for each in body.split("\n\n") if (section := each.strip("\n"))]


def _provider(section: str) -> _Provider:
    return msgspec.json.decode(section.partition("\n")[0], type=_Provider)


def read_base_prices(path: Path = PACKAGED) -> BasePrices:
    """The table of a file. Raises BasePricesError, also where the file cannot be read."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            message = f"{path} is larger than {MAX_FILE_BYTES} bytes, which no table of prices is"
            raise BasePricesError(message)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read ({error})"
        raise BasePricesError(message) from None
    try:
        return BasePrices(text)
    except BasePricesError as error:
        message = f"{path}: {error}"
        raise BasePricesError(message) from None


def _provider_of(vendor: str, model: str) -> tuple[str, str]:
    """The table's names for ours: without what stands before a model in a path, or the router's provider behind it."""
    name = model.lower()
    if vendor == "huggingface":
        name, _, router = name.rpartition(":")
        return (f"huggingface_{router}", name) if name else ("", "")
    if vendor in {"google_ai", "vertex", "bedrock"}:
        name = name.rpartition("/")[2]  # models/…, publishers/google/models/…, an ARN of a profile
    return _PROVIDERS.get(vendor, vendor), name


def _without_batch(row: Price) -> Price:
    """A vendor that serves another's models has not said that it discounts batches as that one does."""
    if row.batch is None:
        return row
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__ if name not in {"batch", "rates"}}
    return Price(**fields)


def _names(base: str, rows: list[_Row]) -> Iterator[tuple[str, _Row]]:
    """Each row's id: the first prices have the model's alone; others add the day that they began on, and those of some
    hours when these begin. A batch price that became known later is no other price."""
    since: dict[date | None, str] = {}
    before: list[_Row] = []
    for day in sorted({row.valid_from for row in rows}, key=lambda day: day or date.min):
        group = [row for row in rows if row.valid_from == day]
        plain = [msgspec.structs.replace(row, batch=None, valid_from=None) for row in group]
        known = list(since.values())
        since[day] = known[-1] if known and plain == before else (f"@{day.isoformat()}" if known and day else "")
        before = plain
    for row in rows:
        suffix = since[row.valid_from]
        if row.hours is not None:
            minutes = row.hours[0] // 60
            suffix = f"{suffix or '@'}T{minutes // 60:02d}{minutes % 60:02d}"
        yield base + suffix, row


def _price(name: str, version: str, provider: str, model: str, row: _Row) -> Price:
    base = {each: _at(getattr(row, each), 0) for each in CLASSES}
    return Price(
        id=name,
        version=version,
        vendor=provider,
        model=model,
        currency=_CURRENCY,
        prompt_nanos=base["prompt"] or 0,
        response_nanos=_or(base["response"], base["prompt"]),
        cache_read_nanos=_or(base["cache_read"], base["prompt"]),
        cache_write_nanos=_or(base["cache_write"], base["prompt"]),
        valid_from=micros_of(datetime(*row.valid_from.timetuple()[:3], tzinfo=UTC)) if row.valid_from else 0,
        cache_write_1h_nanos=base["cache_write_1h"],
        audio_prompt_nanos=base["audio_prompt"],
        audio_response_nanos=base["audio_response"],
        image_prompt_nanos=base["image_prompt"],
        image_response_nanos=base["image_response"],
        request_nanos=row.request,
        tool_request_nanos=row.tool_request,
        tiers=tuple(_tiers(row)),
        batch=_price(name, version, provider, model, row.batch) if row.batch is not None else None,
        hours=row.hours,
    )


def _tiers(row: _Row) -> Iterator[Tier]:
    """At each size at which some class begins to cost another price."""
    priced = {each: getattr(row, each) for each in CLASSES}
    sizes = {size for value in priced.values() if isinstance(value, list) for size, _ in value[1:]}
    for size in sorted(sizes):
        yield Tier(size, rates_of({each: _at(value, size) for each, value in priced.items()}))


def _at(value: Any, size: int) -> int | None:
    """A class's price in the tier that begins at this size; 0 is the lowest."""
    if value is None or isinstance(value, int):
        return value
    first, *tiers = value
    price: int = first
    for start, nanos in tiers:
        if size and start <= size:
            price = nanos
    return price


def _or(value: int | None, other: int | None) -> int:
    return (other or 0) if value is None else value


def _match(clause: list[Any]) -> Match:
    sign, value = clause
    if sign in {"|", "&"}:
        return _all_or_any(sign, [_match(each) for each in value])
    if sign == "~":
        return _regex(value)
    return _MATCHES[sign](value)


def _all_or_any(sign: str, parts: list[Match]) -> Match:
    if len(parts) == 1:
        return parts[0]
    return (lambda name: any(part(name) for part in parts)) if sign == "|" else lambda name: all(p(name) for p in parts)


def _regex(pattern: str) -> Match:
    compiled = re.compile(pattern)
    return lambda name: compiled.search(name) is not None


_MATCHES: Mapping[str, Callable[[str], Match]] = {
    "=": lambda value: lambda name: name == value,
    "^": lambda value: lambda name: name.startswith(value),
    "$": lambda value: lambda name: name.endswith(value),
    "*": lambda value: lambda name: value in name,
}
