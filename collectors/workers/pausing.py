"""Which services operators have paused, for workers that are started later: one that died must not resume them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

import orjson

_FILE = "paused.json"


class Paused:
    """Kept in the private folder of a supervisor, so for its life; each worker reads it when it starts."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def names(self) -> frozenset[str]:
        """Of the services; none where nobody has paused any."""
        try:
            return frozenset(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return frozenset()

    def keep(self, names: AbstractSet[str]) -> None:
        """These and no others, whole or not at all."""
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(orjson.dumps(sorted(names)))
        temporary.replace(self._path)
