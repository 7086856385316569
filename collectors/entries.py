"""The entries of ``collectors.yaml``: what every one of them has, and one class for each sink and for plugins."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, get_args
from zlib import crc32

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from collectors.criteria import Criteria, Share
from collectors.redact import RedactSettings
from collectors.sinks.clickhouse.settings import ClickHouseSettings
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.file.settings import FileSettings
from collectors.sinks.kafka.settings import KafkaSinkSettings
from collectors.sinks.otlp.settings import OtlpSettings
from collectors.sinks.s3.settings import S3Settings
from collectors.sinks.settings import DatabaseSettings, Duration, Size, StdoutSettings
from collectors.sinks.webhook.settings import WebhookSettings
from schemas.events import KINDS, Kind
from sluice.eventlog.settings import Section
from sluice.plugin_host.registration import COMMAND_REMEDY, PluginRegistration, is_command
from sluice.sdk.services import Scope

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
Count = Annotated[int, Field(ge=1)]

_OWN_PLUGIN_IDS = 1 << 31
"""From here on: of plugins that no gateway knows. On the wire an id has 32 bits."""

FALLBACK = "fallback"
"""What the fallback of a service is called in metrics and dead letters, so no entry is."""

_KEYS_OF_FALLBACK = ("path", "config", "redact", "batch", "retry", "breaker", "dead_letter")


class BatchSettings(Section):
    """When a batch is written: whichever comes first."""

    max_records: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    """Events of one batch."""
    max_bytes: Size = 5_000_000
    """Their bytes in the log."""
    max_age_seconds: Duration = 0.5
    """Since the first of them was read."""


class RetrySettings(Section):
    """How long to wait before what failed is written again: full jitter below ``base · 2ⁿ``, without end."""

    base_seconds: Duration = 0.5
    """The first bound of the pause."""
    max_seconds: Duration = 10.0
    """The pause is never longer."""
    halt_seconds: Duration = 30.0
    """How often a halted service tries whether the cause is gone."""


class DeadLetterSettings(Section):
    """Beyond these the service halts instead of draining its topics into the dead letters."""

    max_ratio: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Dead letters among the last records of a producer."""
    min_records: Count = 1_000
    """The ratio says nothing before this many records of a producer."""
    max_consecutive: Count = 1_000
    """Dead letters of one reason in a row."""
    max_redrives: Count = 3
    """How often ``sluice redrive`` gives a letter of this one back before it leaves it."""


class BreakerSettings(Section):
    """When a sink that keeps failing is left alone. What waits for it is held within ``flow``."""

    max_failures: Annotated[int, Field(ge=0, le=1_000_000)] = 10
    """Writes in a row of which nothing went through; 0 never opens it. A sink that throttles does not fail."""
    open_seconds: Duration = 5.0
    """Then one write tries; while it fails, the next tries after as long again."""


class FlowSettings(Section):
    """How much may be between the log and the sinks; above it partitions are paused until half of it is left.

    Of the entries of one service the smallest of each bound holds, but for ``max_writes``, which is each entry's own.
    """

    max_records: Count = 50_000
    """Of all partitions together."""
    max_bytes: Size = 64 << 20
    """Their bytes in the log."""
    max_partition_records: Count = 20_000
    """Of one partition."""
    max_partition_bytes: Size = 32 << 20
    """Their bytes in the log."""
    max_writes: Annotated[int, Field(ge=1, le=64)] = 8
    """Writes in flight: starts at half of it, halves when the sink throttles, grows one by one."""


class CollectorEntry(Section):
    """What the entries of all sinks share."""

    name: Annotated[Name, Field(examples=["search"])]
    """What metrics and dead letters call it; unique."""
    enabled: bool = True
    """Whether it runs."""
    priority: Annotated[int, Field(examples=[10])] = 0
    """The order of entries within a service: the lowest is offered each frame first. None waits for another."""
    replace_database: bool = True
    """Whether what this one handled need not be in the fallback too."""
    hook_types: Annotated[tuple[Kind, ...], Field(min_length=1)] = KINDS
    """The kinds of events that it gets."""
    service: Annotated[Name | None, Field(examples=["compliance"])] = None
    """The consumer group that it reads with; by default its name. Entries of one service share what they read."""
    include: Criteria | None = None
    """Only these events; of each key that is given one value must fit."""
    exclude: Criteria | None = None
    """Not these; one value of any key is enough."""
    sample: Share = 1.0
    """Of all exchanges; the three events of one are in or out together."""
    redact: RedactSettings | None = None
    """What the sink is not shown, while the log keeps it."""
    batch: BatchSettings = BatchSettings()
    """How much is written at once."""
    retry: RetrySettings = RetrySettings()
    """How it is tried again."""
    breaker: BreakerSettings = BreakerSettings()
    """When it is left alone."""
    dead_letter: DeadLetterSettings = DeadLetterSettings()
    """How many dead letters are too many."""
    flow: FlowSettings = FlowSettings()
    """How much is under way."""
    fallback: Annotated[FallbackEntry | None, Field(examples=["sink://database"])] = None
    """The service's: the path of a sink, that with its settings, or ``none``, which is ``None`` here, as is what is not
    given: ``gives_fallback`` tells."""

    @field_validator("fallback", mode="before")
    @classmethod
    def fallback_by_path(cls, value: Any) -> Any:
        """A path alone is enough; whatever only has a meaning for an entry of its own is refused."""
        if value == "none":
            return None
        if isinstance(value, str):
            value = {"path": value}
        if not isinstance(value, dict):
            message = "must be the path of a sink, a mapping with path and config, or none"
            raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueErrors
        if strange := [key for key in value if key in cls.model_fields and key not in _KEYS_OF_FALLBACK]:
            message = (
                f"{strange[0]} has no meaning for a fallback, which takes {', '.join(_KEYS_OF_FALLBACK)}; remove it"
            )
            raise ValueError(message)
        if meant := sink_meant_by(value.get("path")):
            message = f"path: {value['path']!r} is no sink; did you mean {meant}?"
            raise ValueError(message)
        return {"name": FALLBACK, **value}

    @property
    def gives_fallback(self) -> bool:
        """Whether this entry says what its service's fallback is."""
        return "fallback" in self.model_fields_set

    @property
    def service_name(self) -> str:
        """The consumer group behind its namespace; by default one for each entry."""
        return self.service or self.name


class ElasticsearchEntry(CollectorEntry):
    """Documents in Elasticsearch."""

    path: Literal["sink://elasticsearch"]
    """What makes the entry this sink."""
    config: ElasticsearchSettings = ElasticsearchSettings()
    """Of the cluster."""

    @model_validator(mode="after")
    def take_batch_of_config(self) -> Self:
        """The reference's ``batch_size`` and ``flush_interval``, where ``batch`` does not say otherwise."""
        named = {"max_records": self.config.batch_size, "max_age_seconds": self.config.flush_interval}
        given = {key: value for key, value in named.items() if value is not None}
        given = {key: value for key, value in given.items() if key not in self.batch.model_fields_set}
        if given:
            object.__setattr__(self, "batch", self.batch.model_copy(update=given))  # frozen, but not yet handed out
        return self


class DatabaseEntry(CollectorEntry):
    """Documents in the events database."""

    path: Literal["sink://database"]
    """What makes the entry this sink."""
    config: DatabaseSettings = DatabaseSettings()
    """Of the database."""


class WebhookEntry(CollectorEntry):
    """Documents posted to a server."""

    path: Literal["sink://webhook"]
    """What makes the entry this sink."""
    config: WebhookSettings
    """Of the server."""


class OtlpEntry(CollectorEntry):
    """Log records and metrics for an OpenTelemetry collector."""

    path: Literal["sink://otlp"]
    """What makes the entry this sink."""
    config: OtlpSettings = OtlpSettings()
    """Of the receiver."""
    batch: BatchSettings = BatchSettings(max_records=512)
    """Smaller: a record takes tens of microseconds to make, and nothing else runs meanwhile."""


class ClickHouseEntry(CollectorEntry):
    """Rows in ClickHouse."""

    path: Literal["sink://clickhouse"]
    """What makes the entry this sink."""
    config: ClickHouseSettings = ClickHouseSettings()
    """Of the server."""


class KafkaEntry(CollectorEntry):
    """Records in another topic."""

    path: Literal["sink://kafka"]
    """What makes the entry this sink."""
    config: KafkaSinkSettings
    """Of the topic."""

    @model_validator(mode="after")
    def originals_are_not_redacted(self) -> Self:
        """What is redacted are the columns of a frame; the bytes that came with it hold everything."""
        if self.redact is not None and self.config.body == "original":
            message = "redact: has no effect on original bytes; set config.body: json, or remove it"
            raise ValueError(message)
        return self


class FileEntry(CollectorEntry):
    """Events in files."""

    path: Literal["sink://file"]
    """What makes the entry this sink."""
    config: FileSettings = FileSettings()
    """Of the files."""

    @model_validator(mode="after")
    def take_enabled_of_config(self) -> Self:
        """The reference's ``enabled`` is there; either can switch the entry off."""
        if not self.config.enabled:
            object.__setattr__(self, "enabled", False)  # frozen, but not yet handed out
        return self


class S3Entry(CollectorEntry):
    """Events in the objects of a bucket."""

    path: Literal["sink://s3"]
    """What makes the entry this sink."""
    config: S3Settings
    """Of the bucket."""
    batch: BatchSettings = BatchSettings(max_records=20_000, max_bytes=16 << 20, max_age_seconds=30.0)
    """Larger: each partition of a batch is an object, and an object costs a request."""


class StdoutEntry(CollectorEntry):
    """Events on the standard output."""

    path: Literal["sink://stdout"]
    """What makes the entry this sink."""
    config: StdoutSettings = StdoutSettings()
    """Of the lines."""


class PluginEntry(CollectorEntry):
    """Events to a plugin that is a ``DataCollector``."""

    replace_database: bool = False
    """The reference's default: what a plugin handled is in the fallback too, until its operator says otherwise."""
    path: Annotated[str, Field(examples=["my_archive.py", "grpc://archiver:50051"])]
    """As ``command`` of a plugin of the gateway; relative ones begin where ``collectors.yaml`` lies."""
    config: dict[str, Any] = Field(default_factory=dict, examples=[{"output": "/var/lib/archive"}])
    """The plugin's own settings, as its model or schema wants them."""
    plugin_id: Annotated[int | None, Field(ge=1, le=(1 << 32) - 1, examples=[7])] = None
    """The same plugin's id in the gateway: what it keeps there is then found here. By default it has its own."""
    batch: BatchSettings = BatchSettings(max_records=500)
    """Smaller: what a stop finds half done comes again whole."""
    timeout_ms: Annotated[int, Field(ge=1, le=600_000)] = 30_000
    """For one event, or one frame."""
    max_concurrent: Annotated[int, Field(ge=0, le=100_000, examples=[4])] = 0
    """Calls under way at once; 0 is ``flow.max_writes``."""
    max_attempts: Annotated[int, Field(ge=0, le=1_000_000, examples=[20])] = 0
    """Of one event; then it is a dead letter. 0 is without end: what never succeeds then holds its partition."""
    checksum: Annotated[str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])] = ""
    """SHA-256 of the file, in hex; a file that has another is not run."""
    token: Annotated[str, Field(examples=["env:PLUGIN_TOKEN"])] = ""
    """``env:NAME`` or ``file:PATH`` of what a ``grpc://`` plugin wants to be shown."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
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


SinkEntry = (
    ElasticsearchEntry
    | DatabaseEntry
    | WebhookEntry
    | OtlpEntry
    | ClickHouseEntry
    | KafkaEntry
    | FileEntry
    | S3Entry
    | StdoutEntry
)
FallbackEntry = Annotated[SinkEntry, Field(discriminator="path")]
AnyEntry = SinkEntry | PluginEntry

SINK_PATHS: tuple[str, ...] = tuple(get_args(each.model_fields["path"].annotation)[0] for each in get_args(SinkEntry))
"""What ``path`` may be, beside the schemes of plugins; each has its row in ``collectors/sinks/registry.py`` too."""


_SINK, _PLUGIN = "sink://", "plugin://"  # in the form of schemes: what reports problems knows them from keys by that


def _tag_of(entry: Any) -> str | None:
    path = entry.get("path") if isinstance(entry, dict) else getattr(entry, "path", None)
    if isinstance(path, str) and is_command(path):
        return _PLUGIN
    return _SINK if path in SINK_PATHS else None


_OTHER_NAMES = {
    "es": "elasticsearch",
    "opensearch": "elasticsearch",
    "sql": "database",
    "sqlite": "database",
    "postgres": "database",
    "postgresql": "database",
    "http": "webhook",
    "opentelemetry": "otlp",
    "console": "stdout",
    "jsonl": "file",
    "csv": "file",
    "parquet": "file",
}


def sink_meant_by(path: Any) -> str:
    """The sink whose name is nearest to a path that is neither a sink's nor a plugin's; empty where none is near."""
    if not isinstance(path, str) or path in SINK_PATHS or is_command(path):
        return ""
    name = path.rpartition("://")[2].strip("/").lower()
    names = [each.removeprefix("sink://") for each in SINK_PATHS]
    near = [name] if name in names else [_OTHER_NAMES.get(name), *get_close_matches(name, names, n=1)]
    return next((f"sink://{each}" for each in near if each), "")


def _refuse_strange_path(entry: Any) -> Any:
    path = entry.get("path") if isinstance(entry, dict) else None
    if meant := sink_meant_by(path):
        message = f"path: {path!r} is neither a sink nor a plugin; did you mean {meant}?"
        raise ValueError(message)
    return entry


Entry = Annotated[
    Annotated[FallbackEntry, Tag(_SINK)] | Annotated[PluginEntry, Tag(_PLUGIN)],
    Discriminator(
        _tag_of,
        custom_error_type="path",
        custom_error_message=f"path: must be one of {', '.join(SINK_PATHS)}, or a plugin: {COMMAND_REMEDY}",
    ),
    BeforeValidator(_refuse_strange_path),
]

for _entry in get_args(AnyEntry):
    _entry.model_rebuild()  # now that it is known what a fallback may be
