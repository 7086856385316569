"""Which sinks there are: where each is made, and what must be installed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collectors.entries import AnyEntry
    from collectors.settings import ControlSettings, HostSettings
    from collectors.sinks.interface import Sink


@dataclass(frozen=True, slots=True)
class SinkOpening:
    """What a sink may know of where it runs."""

    host: HostSettings
    """What ``sluice.yaml`` says: the data folder, Kafka."""
    folder: Path
    """The one of ``collectors.yaml``: where relative paths begin."""
    control: ControlSettings
    service: str = ""
    """Whose sink it is: a fallback is called alike in every service."""


@dataclass(frozen=True, slots=True)
class SinkKind:
    """One row of the catalogue."""

    opener: str
    """``module:function``; the function takes the entry and a ``SinkOpening`` and reaches nothing yet."""
    needs: tuple[str, ...] = ()
    """Modules that are imported then."""
    extra: str = "collectors"
    """The extra that brings them."""

    def missing(self) -> tuple[str, ...]:
        """What is not installed."""
        return tuple(name for name in self.needs if not _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


SINKS: dict[str, SinkKind] = {
    "sink://elasticsearch": SinkKind("collectors.sinks.elasticsearch.sink:open_sink", ("elasticsearch",)),
    "sink://database": SinkKind("collectors.sinks.database.sink:open_sink", ("sqlalchemy", "aiosqlite")),
    "sink://webhook": SinkKind("collectors.sinks.webhook.sink:open_sink", ("httpx",)),
    "sink://otlp": SinkKind("collectors.sinks.otlp.sink:open_sink", ("httpx", "opentelemetry.proto"), "otlp"),
    "sink://clickhouse": SinkKind("collectors.sinks.clickhouse.sink:open_sink", ("httpx",)),
    "sink://kafka": SinkKind("collectors.sinks.kafka.sink:open_sink", ("aiokafka",), "kafka"),
    "sink://file": SinkKind("collectors.sinks.file.sink:open_sink", ("polars",)),
    "sink://s3": SinkKind("collectors.sinks.s3.sink:open_sink", ("botocore", "polars"), "s3"),
    "sink://stdout": SinkKind("collectors.sinks.stdout:open_sink", ("polars",)),
}
"""By ``path``. To add one: its settings and its sink in a module of their own, its entry in ``collectors/entries.py``,
its row here, its section in the README, and its place in ``tests/contracts/test_sinks.py``."""

PLUGIN = SinkKind("collectors.sinks.plugin:open_sink", ("httpx", "jsonschema"), "plugins")
"""What every other ``path`` names."""


def kind_of(path: str) -> SinkKind:
    """The row of an entry's ``path``."""
    return SINKS.get(path, PLUGIN)


def open_sink(entry: AnyEntry, opening: SinkOpening) -> Sink[Any]:
    """The sink that an entry names. Nothing is reached yet."""
    module, _, function = kind_of(entry.path).opener.partition(":")
    make: Callable[[AnyEntry, SinkOpening], Sink[Any]] = getattr(import_module(module), function)
    return make(entry, opening)
