"""The price list as plugins see it: which row holds says the snapshot, as for exchanges; the rest is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.control.repository import MAX_LIMIT
from gateway.plugin_services.asking import Asking, Remembered
from gateway.plugin_services.records import base_price_of, price_of
from sluice.clock import now_micros
from sluice.money.base_prices import ID_PREFIX
from sluice.sdk.errors import NotFound

if TYPE_CHECKING:
    from gateway.control.store import ControlStore
    from gateway.snapshot import SnapshotHolder
    from sluice.money.prices import Price
    from sluice.sdk.records import ModelPrice


class _Book(NamedTuple):
    """The rows of one price list as plugins see them."""

    by_id: Mapping[int, ModelPrice]
    ids: Mapping[int, int]
    """Of a row of the snapshot, by its identity."""


class Prices:
    """One worker's."""

    def __init__(self, snapshots: SnapshotHolder, store: ControlStore, asking: Asking) -> None:
        self._snapshots = snapshots
        self._store = store
        self._ask = asking
        self._books: Remembered[str, _Book] = Remembered(max_entries=1)

    async def get(self, model_name: object, vendor: object) -> ModelPrice:
        """The row that holds now for a model. Raises NotFound, ServiceUnavailable."""
        snapshot = self._snapshots.get()
        row = None
        if isinstance(model_name, str) and isinstance(vendor, str):
            row = snapshot.prices.find(vendor, model_name, now_micros())
        if row is not None:
            book = await self._book(snapshot.price_rows)
            found = book.by_id.get(book.ids.get(id(row), 0))
            if found is not None:
                return found
            if row.id.startswith(ID_PREFIX):
                return base_price_of(row)
        message = f"there is no price of {vendor!r:.40}/{model_name!r:.80}"
        raise NotFound(message)

    async def list(self, vendor: str) -> Sequence[ModelPrice]:
        """The rows that hold now, by vendor and model; of all vendors where none is named. ServiceUnavailable."""
        rows = self._snapshots.get().price_rows
        now = now_micros()
        newest: dict[tuple[str, str], Price] = {}
        for row in sorted(rows.values(), key=lambda row: row.valid_from):
            if row.valid_from <= now and vendor in {"", row.vendor}:
                newest[row.vendor, row.model] = row
        book = await self._book(rows)
        ids = (book.ids.get(id(row), 0) for _, row in sorted(newest.items()))
        return [book.by_id[price_id] for price_id in ids if price_id in book.by_id]

    async def _book(self, rows: Mapping[int, Price]) -> _Book:
        return await self._books.get("", rows, lambda: self._read(rows))

    async def _read(self, rows: Mapping[int, Price]) -> _Book:
        found: dict[int, ModelPrice] = {}
        page, total = 1, 1
        while (page - 1) * MAX_LIMIT < total:
            part = await self._ask("prices", partial(self._store.prices.find, page=page, limit=MAX_LIMIT))
            found |= {entity.id: price_of(entity) for entity in part.items}
            page, total = page + 1, part.total
        return _Book(found, {id(row): price_id for price_id, row in rows.items()})
