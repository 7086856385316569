"""The boots that turn up, each with a number: what millions of rows hold instead of its three names."""

from __future__ import annotations

import polars as pl

from sluice.eventlog.interface import Boot

NAMES = ["gateway_id", "worker", "boot_id"]


class Boots:
    """Shared by everything that is compared with one another."""

    def __init__(self) -> None:
        self._numbers: dict[Boot, int] = {}
        self._boots: list[Boot] = []

    def __len__(self) -> int:
        return len(self._boots)

    def __getitem__(self, number: int) -> Boot:
        return self._boots[number]

    def number(self, boot: Boot) -> int:
        """Its own; a new one for one that was not seen yet."""
        found = self._numbers.get(boot)
        if found is None:
            found = self._numbers[boot] = len(self._boots)
            self._boots.append(boot)
        return found

    def numbered(self, rows: pl.DataFrame) -> pl.Series:
        """The number of each row's boot, from its three names."""
        names = rows.select(NAMES).unique()
        numbers = [self.number(Boot(*row)) for row in names.iter_rows()]
        known = names.with_columns(pl.Series("boot", numbers, dtype=pl.UInt32))
        return rows.select(NAMES).join(known, on=NAMES, how="left", maintain_order="left")["boot"]
