"""The entries of ``collectors.yaml``: what every one of them has, and one class for each sink and for plugins."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zlib import crc32

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from collectors.sinks.settings import DatabaseSettings, Duration, ElasticsearchSettings, Size
from schemas.events import KINDS, Kind
from sluice.eventlog.settings import Section
from sluice.plugin_host.registration import COMMAND_REMEDY, PluginRegistration, is_command
from sluice.sdk.services import Scope

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
Count = Annotated[int, Field(ge=1)]

_OWN_PLUGIN_IDS = 1 << 31
"""From here on: of plugins that no gateway knows. On the wire an id has 32 bits."""

_LATER = ("include", "exclude", "sample", "redact", "breaker", "fallback")


class BatchSettings(Section):
    """When a batch is written: whichever comes first."""

    max_records: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    max_bytes: Size = 5_000_000
    max_age_seconds: Duration = 0.5


class RetrySettings(Section):
    """How long to wait before what failed is written again: full jitter below ``base · 2ⁿ``, without end."""

    base_seconds: Duration = 0.5
    max_seconds: Duration = 10.0
    halt_seconds: Duration = 30.0
    """How often a halted service tries whether the cause is gone."""


class DeadLetterSettings(Section):
    """Beyond these the service halts instead of draining its topics into the dead letters."""

    max_ratio: Annotated[float, Field(gt=0, le=1)] = 0.1
    min_records: Count = 1_000
    """The ratio says nothing before this many records of a producer."""
    max_consecutive: Count = 1_000


class FlowSettings(Section):
    """How much may be between the log and the sink; above it partitions are paused until half of it is left."""

    max_records: Count = 50_000
    max_bytes: Size = 64 << 20
    max_partition_records: Count = 20_000
    max_partition_bytes: Size = 32 << 20
    max_writes: Annotated[int, Field(ge=1, le=64)] = 8
    """Writes in flight: starts at half of it, halves when the sink throttles, grows one by one."""


class _Entry(Section):
    """What the entries of all sinks share."""

    name: Name
    enabled: bool = True
    priority: int = 0
    """The order of entries within a service; a service has one in this version."""
    replace_database: Literal[True] = True
    hook_types: Annotated[tuple[Kind, ...], Field(min_length=1)] = KINDS
    service: Name | None = None
    batch: BatchSettings = BatchSettings()
    retry: RetrySettings = RetrySettings()
    dead_letter: DeadLetterSettings = DeadLetterSettings()
    flow: FlowSettings = FlowSettings()

    @model_validator(mode="before")
    @classmethod
    def refuse_what_comes_later(cls, data: Any) -> Any:
        """A key that would be ignored would be believed."""
        for key in _LATER:
            if isinstance(data, dict) and key in data:
                message = f"{key} is not in this version; remove it"
                raise ValueError(message)
        if isinstance(data, dict) and str(data.get("replace_database", "true")).lower() == "false":
            message = (
                "replace_database: false needs the fallback database, which is not in this version; remove it, "
                "or add an entry of its own with path: sink://database"
            )
            raise ValueError(message)
        return data

    @property
    def service_name(self) -> str:
        """The consumer group behind its namespace; by default one for each entry."""
        return self.service or self.name


class ElasticsearchEntry(_Entry):
    """Documents in Elasticsearch."""

    path: Literal["sink://elasticsearch"]
    config: ElasticsearchSettings = ElasticsearchSettings()

    @model_validator(mode="after")
    def take_batch_of_config(self) -> Self:
        """The reference's ``batch_size`` and ``flush_interval``, where ``batch`` does not say otherwise."""
        named = {"max_records": self.config.batch_size, "max_age_seconds": self.config.flush_interval}
        given = {key: value for key, value in named.items() if value is not None}
        given = {key: value for key, value in given.items() if key not in self.batch.model_fields_set}
        if given:
            object.__setattr__(self, "batch", self.batch.model_copy(update=given))  # frozen, but not yet handed out
        return self


class DatabaseEntry(_Entry):
    """Documents in the events database."""

    path: Literal["sink://database"]
    config: DatabaseSettings = DatabaseSettings()


class PluginEntry(_Entry):
    """Events to a plugin that is a ``DataCollector``."""

    path: str
    """As ``command`` of a plugin of the gateway; relative ones begin where ``collectors.yaml`` lies."""
    config: dict[str, Any] = Field(default_factory=dict)
    plugin_id: Annotated[int | None, Field(ge=1, le=(1 << 32) - 1)] = None
    """The same plugin's id in the gateway: what it keeps there is then found here. By default it has its own."""
    batch: BatchSettings = BatchSettings(max_records=500)
    """Smaller: what a stop finds half done comes again whole."""
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 30_000
    """For one event, or one frame."""
    max_concurrent: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Calls under way at once; 0 is ``flow.max_writes``."""
    max_attempts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Of one event; then it is a dead letter. 0 is without end: what never succeeds then holds its partition."""
    checksum: str = ""
    """SHA-256 of the file, in hex; a file that has another is not run."""
    token: str = ""
    """``env:NAME`` or ``file:PATH`` of what a ``grpc://`` plugin wants to be shown."""
    ca_file: str = ""
    """Who signed the certificate of a ``grpc://`` plugin; empty is who the system trusts."""
    service_scopes: tuple[Scope, ...] = ()
    """What a plugin in a process of its own may ask for; those in this process may ask for everything."""

    @model_validator(mode="after")
    def can_be_registered(self) -> Self:
        """Whatever the plugin host refuses is refused here, under its own key."""
        try:
            self.registration()
        except ValidationError as error:
            raise ValueError(_without_the_model(error)) from None
        return self

    def registration(self) -> PluginRegistration:
        """As the plugin host knows it."""
        return PluginRegistration(
            id=self.plugin_id or _OWN_PLUGIN_IDS | crc32(self.name.encode()),
            name=self.name,
            command=self.path,
            checksum=self.checksum,
            hook_types=("data_collection",),
            config=self.config,
            timeout_ms=self.timeout_ms,
            max_concurrent=self.max_concurrent,
            service_scopes=self.service_scopes,
            token=self.token,
            ca_file=self.ca_file,
        )


def _without_the_model(error: ValidationError) -> str:
    """The first problem, by its key here; a token is not repeated, it may be one."""
    problem = error.errors(include_url=False, include_context=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    key = str(problem["loc"][0])
    found = "" if key == "token" else f" (found {problem['input']!r:.80})"
    return f"{'path' if key == 'command' else key}: {message}{found}"


SinkEntry = ElasticsearchEntry | DatabaseEntry
AnyEntry = SinkEntry | PluginEntry

SINK_PATHS = ("sink://elasticsearch", "sink://database")
"""What ``path`` may be, beside the schemes of plugins; each has its row in ``collectors/sinks/registry.py`` too."""


def _tag_of(entry: Any) -> str | None:
    path = entry.get("path") if isinstance(entry, dict) else getattr(entry, "path", None)
    if isinstance(path, str) and is_command(path):
        return "plugin"
    return path if path in SINK_PATHS else None


Entry = Annotated[
    Annotated[ElasticsearchEntry, Tag("sink://elasticsearch")]
    | Annotated[DatabaseEntry, Tag("sink://database")]
    | Annotated[PluginEntry, Tag("plugin")],
    Discriminator(
        _tag_of,
        custom_error_type="path",
        custom_error_message=f"path: must be one of {', '.join(SINK_PATHS)}, or a plugin: {COMMAND_REMEDY}",
    ),
]
