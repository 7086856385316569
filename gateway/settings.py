"""The gateway's settings tree: one frozen model, validated before a port opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.access.addresses import parse_network
from gateway.entity_settings import AppSettings, LlmSettings, TokenSettings
from gateway.tracing.settings import TracingSettings
from sluice.eventlog.places import COLLECTORS_FOLDER
from sluice.eventlog.settings import Bytes, LogSettings, Seconds, Section
from sluice.money.price_settings import Amount, PriceSettings
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.settings import PluginHostSettings
from sluice.privacy.settings import BodyPolicy, RulesSettings

CostInAnswers = Literal["never", "on_request", "always"]
"""``on_request``: where a request has ``x-sluice-cost: true``; ``always``: unless it has ``x-sluice-cost: false``."""
_MAX_SHOWN = 20
"""Names that a message lists."""


class UpstreamSettings(Section):
    """How vendors are called."""

    client: Literal["lean", "aiohttp"] = "lean"
    """``lean`` is our own; ``aiohttp`` is for HTTP proxies that the environment names, and costs more."""
    connect_timeout_seconds: Seconds = 10.0
    """Until a connection is open, TLS included."""
    first_byte_timeout_seconds: Seconds = 120.0
    """From the request until the first byte of the vendor's answer."""
    idle_timeout_seconds: Seconds = 120.0
    """Between two pieces of an answer."""
    total_timeout_seconds: Seconds = 600.0
    """For one call of a vendor, to the end of its answer."""
    max_connections_per_origin: Annotated[int, Field(ge=1)] = 256
    """Open to one vendor's host and port, in one worker."""
    retries: Annotated[int, Field(ge=0, le=5)] = 1
    """Further attempts where nothing reached the vendor; never after its first byte."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """PEM of who signed the vendors' certificates; empty is who the system trusts."""


class BodySettings(Section):
    """What of bodies, and of what comes with them, is kept in proxy logs."""

    policy: BodyPolicy = "full"
    """Of apps that do not say it themselves: ``full``, ``redacted``, ``metadata`` or ``none``."""
    redact: RulesSettings = RulesSettings()
    """What ``redacted`` redacts; by default every kind that is known, in every field."""

    max_bytes: Annotated[int, Field(ge=0, le=400_000)] = 65_536
    """A side. Two sides and the headers must stay under the topics' ``max.message.bytes`` (1 MiB)."""


class GatewaySettings(Section):
    """The proxy itself."""

    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$", examples=["eu-west"])] = ""
    """The group of gateways that it belongs to; plugins see it as ``edge_namespace``."""
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["gateway-eu-1"])] = "gateway-1"
    """Which gateway it is, in events, metrics and the names of its journals; each has its own."""
    host: Annotated[str, Field(examples=["0.0.0.0"])] = "127.0.0.1"
    """The address that it listens at."""
    port: Annotated[int, Field(ge=0, le=65_535, examples=[8443])] = 8080
    """0 takes a free one."""
    workers: Annotated[int, Field(ge=1, le=128)] = 1
    """Processes that share the port."""
    mode: Literal["standalone"] = "standalone"
    """One process is gateway and control API."""
    max_request_bytes: Bytes = 10 << 20
    """A longer body is refused with 413."""
    max_header_bytes: Bytes = 64 << 10
    """Of a request's line and headers together."""
    max_response_bytes: Bytes = 10 << 20
    """Buffered at most where a body hook is attached; also what is read of a response to find its usage."""
    max_in_flight: Annotated[int, Field(ge=1, le=65_536)] = 1024
    """Exchanges of a worker at once; one more is refused with 503."""
    trusted_proxies: Annotated[tuple[str, ...], Field(examples=[["10.0.0.0/8"]])] = ()
    """CIDR blocks whose ``X-Forwarded-For`` says who the client is."""
    client_read_timeout_seconds: Seconds = 60.0
    """How long a client may take to send its request."""
    client_write_timeout_seconds: Seconds = 60.0
    """How long a client may take nothing of its answer."""
    keep_alive_seconds: Seconds = 75.0
    """How long a connection without a request stays open."""
    drain_max_bytes: Bytes = 1 << 20
    """What is read of an answer whose client left, so that its usage is known."""
    drain_timeout_seconds: Seconds = 30.0
    """And for how long."""
    shutdown_seconds: Seconds = 4.0
    """How long a worker that stops lets exchanges end."""
    cost_in_answers: CostInAnswers = "on_request"
    """Whether answers say what they cost, in headers of their own or comments of their stream: to those who ask
    (``x-sluice-cost: true``), to all, or to none."""
    upstream: UpstreamSettings = UpstreamSettings()
    bodies: BodySettings = BodySettings()

    @field_validator("trusted_proxies")
    @classmethod
    def proxies_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A block that cannot be read would trust nobody, in silence."""
        for block in value:
            parse_network(block)
        return value

    @field_validator("id")
    @classmethod
    def id_is_free(cls, value: str) -> str:
        """Journals lie in a folder of this name, beside the one of the collectors."""
        if value == COLLECTORS_FOLDER:
            message = f"{value!r} is where collectors keep their journals; choose another name"
            raise ValueError(message)
        return value


class RecordSettings(Section):
    """What is recorded of exchanges refused before an app was known."""

    unauthenticated_per_second: Annotated[int, Field(ge=0)] = 50
    """Of a worker; more are counted alone."""


class BudgetSettings(Section):
    """What is held for an exchange before its vendor is called, and what happens where that cannot be known."""

    interrupted: Literal["reserved", "seen"] = "reserved"
    """What an exchange is charged that was cut by a kill."""
    default_output_tokens: Annotated[int, Field(ge=1)] = 4096
    """Where neither the request nor its LLM names a maximum."""
    no_maximum: Literal["default", "cap"] = "default"
    """``cap`` writes the largest affordable maximum into a request that names none."""
    unbounded: Literal["deny", "reserve"] = "deny"
    """A request under a budget whose input cannot be counted: stored files, images by URL, server tools."""
    unbounded_reserve: Annotated[Amount, Field(examples=["2.50"])] = "1"
    """Held for such a request where ``unbounded: reserve``; money as decimal text."""
    unpriced: Literal["allow", "deny"] = "allow"
    """A request under a budget whose model has no price."""
    ask_timeout_seconds: Seconds = 0.5
    """How long the ledger is waited for before the app's ``budget_fail`` holds. It answers in 3 ms; but on a busy
    machine a worker's first question took more than 50, and who is not waited for is refused for nothing."""
    report_seconds: Seconds = 1.0
    """How often a host tells the ledger what was spent."""
    slice_fraction: Annotated[float, Field(gt=0, le=1)] = 0.125
    """A grant is at most this part of what is left, unless one request needs more."""


class LimitSettings(Section):
    """Rate limits."""

    gateways: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Gateways that share the load: each enforces its part of a limit."""


class ControlEventsSettings(Section):
    """Where the control API reads events that collectors wrote."""

    elasticsearch_url: Annotated[str, Field(examples=["http://localhost:9200"])] = ""
    """Empty reads the events database."""
    username: Annotated[str, Field(examples=["sluice"])] = ""
    """Of that Elasticsearch."""
    password: SecretStr = SecretStr("")
    """Of that user."""
    database_url: Annotated[str, Field(examples=["postgresql+asyncpg://sluice@db:5432/events"])] = ""
    """Empty is ``events.db`` in ``data_dir``."""


class ControlSettings(Section):
    """The control API and its database."""

    enabled: bool = True
    """Whether ``/api/v1`` is served; entities are kept either way."""
    listen: Annotated[str, Field(examples=["127.0.0.1:8081"])] = ""
    """``host:port`` of its own; empty shares the gateway's port."""
    database_url: Annotated[str, Field(examples=["postgresql+asyncpg://sluice@db:5432/sluice"])] = ""
    """``postgresql+asyncpg://…`` or ``sqlite+aiosqlite:///…``; empty is ``control.db`` in ``data_dir``."""
    dialect: Literal["clean", "reference"] = "clean"
    """``reference`` answers in the shapes that existing scripts know."""
    secret_key: SecretStr = SecretStr("")
    """32 bytes in base64 that vendor keys are encrypted with; empty reads ``secret_key_file``."""
    secret_key_file: Annotated[str, Field(examples=["/run/secrets/sluice.key"])] = ""
    """Empty is ``secret.key`` in ``data_dir``, made at the first start."""
    allowed_endpoints: Annotated[tuple[str, ...], Field(examples=[["api.openai.com", "*.openai.azure.com"]])] = ()
    """Host names, or patterns (``*.openai.com``), that LLMs made over the API may have; empty allows public ones."""
    allow_private_endpoints: bool = False
    """Whether such LLMs may be at loopback and private addresses."""
    events: ControlEventsSettings = ControlEventsSettings()

    @field_validator("listen")
    @classmethod
    def listen_is_an_address(cls, value: str) -> str:
        """``host:port``; an IPv6 address stands in brackets."""
        host, found, port = value.rpartition(":")
        if value and not (found and host and port.isascii() and port.isdigit() and int(port) <= 65_535):
            message = "is no address; write host:port, e.g. 127.0.0.1:8081"
            raise ValueError(message)
        return value


class ConsoleSettings(Section):
    """The pages under ``/console``, wherever the control API is served."""

    enabled: bool = True
    """Whether the pages are served."""
    session_hours: Annotated[float, Field(gt=0, le=720)] = 12.0
    """How long a sign-in lasts; a token that is revoked or expires ends it at the next request."""
    max_queries: Annotated[int, Field(ge=1, le=64)] = 4
    """Questions to the event store that run at once in a worker; others wait for their turn, 15 s at most."""
    collectors: Annotated[tuple[str, ...], Field(examples=[["http://127.0.0.1:9464"]])] = ()
    """Addresses of collectors' health servers, e.g. ``http://127.0.0.1:9464``, for the pages that show them."""
    collectors_token: SecretStr = SecretStr("")
    """The ``server.token`` of those collectors: to pause and resume services, for dead letters, jobs and reports."""

    @field_validator("collectors")
    @classmethod
    def collectors_are_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """An address that cannot be asked would look like a collector that is away."""
        for url in value:
            if not is_http_url(url):
                message = f"{url!r} is no address of a collector; write http://host:port, e.g. http://127.0.0.1:9464"
                raise ValueError(message)
        return value


class AccessLogSettings(Section):
    """A line of JSON for each exchange, beside the events."""

    to: Annotated[Literal["nowhere", "stdout", "file"], Field(examples=["file"])] = "nowhere"
    """Where the lines go."""
    file: Annotated[str, Field(examples=["/var/log/sluice/access.log"])] = ""
    """Where ``to`` is ``file``; the workers of a host may share it."""
    max_file_bytes: Annotated[int, Field(ge=0)] = 100 << 20
    """A file that would be larger becomes ``<file>.1``; 0 leaves that to others, who may move or cut it at any time."""
    keep_files: Annotated[int, Field(ge=0, le=1_000)] = 5
    """Files that were full."""
    max_queued_bytes: Bytes = 8 << 20
    """Of a worker; lines that find so much unwritten are dropped, and counted."""

    @model_validator(mode="after")
    def file_is_meant(self) -> Self:
        """A file that nothing is written to would be looked for in vain."""
        if (self.to == "file") != bool(self.file):
            remedy = "name a file" if self.to == "file" else "set to: file, or remove file"
            message = f"to: {self.to} and file: {self.file!r} do not go together; {remedy}"
            raise ValueError(message)
        return self


class MetricsSettings(Section):
    """What ``/metrics`` shows."""

    exemplars: bool = True
    """Whether durations name traces that they are of, for those who ask for OpenMetrics."""


class Settings(LogSettings):
    """Everything in ``sluice.yaml`` that the gateway reads."""

    version: Literal["1"] = "1"
    """Of the file's form."""
    data_dir: Annotated[Path, Field(examples=["/var/lib/sluice"])] = Path(".sluice")
    """Where journals, databases, keys and tokens lie; a relative one begins at the working directory."""
    gateway: GatewaySettings = GatewaySettings()
    record: RecordSettings = RecordSettings()
    budget: BudgetSettings = BudgetSettings()
    limits: LimitSettings = LimitSettings()
    control: ControlSettings = ControlSettings()
    console: ConsoleSettings = ConsoleSettings()
    tracing: TracingSettings = TracingSettings()
    access_log: AccessLogSettings = AccessLogSettings()
    metrics: MetricsSettings = MetricsSettings()
    llms: tuple[LlmSettings, ...] = ()
    """The LLMs that the file manages; others may be made over the API."""
    apps: tuple[AppSettings, ...] = ()
    """The callers that the file manages."""
    tokens: tuple[TokenSettings, ...] = ()
    """The credentials that the file manages."""
    price_version: Annotated[str, Field(examples=["2026-11"])] = "1"
    """What events say of the prices of this file; change it with them."""
    prices: tuple[PriceSettings, ...] = ()
    """What models cost, before the base prices."""
    prices_base: Literal["genai-prices", "none"] = "genai-prices"
    """What holds for models that no price here is for: what vendors publish, or nothing."""
    plugins: tuple[PluginRegistration, ...] = ()
    """The plugins that LLMs may attach by name."""
    plugin_host: PluginHostSettings = PluginHostSettings()

    @model_validator(mode="after")
    def names_meet(self) -> Self:
        """Whatever is named must exist, and names must be unique."""
        _unique("llms.slug", [llm.slug for llm in self.llms])
        _unique("llms.id", [llm.id for llm in self.llms])
        _unique("llms.name", [llm.name or llm.slug for llm in self.llms])
        _unique("apps.id", [app.id for app in self.apps])
        _unique("apps.name", [app.name for app in self.apps])
        _unique("tokens.sha256", [token.sha256 for token in self.tokens])
        _unique("plugins.id", [plugin.id for plugin in self.plugins])
        _unique("plugins.name", [plugin.name for plugin in self.plugins])
        _unique("prices.valid_from", [start for price in self.prices for start in price.starts])
        plugins = dict.fromkeys(plugin.name for plugin in self.plugins)
        slugs = dict.fromkeys(llm.slug for llm in self.llms)
        apps = dict.fromkeys(app.id for app in self.apps)
        for llm in self.llms:
            _known(f"llms.{llm.slug}.plugins", tuple(each.plugin for each in llm.plugins), plugins)
            _known(f"llms.{llm.slug}.plugins.app", tuple(each.app for each in llm.plugins if each.app), apps)
            _known(f"llms.{llm.slug}.failover", llm.failover, slugs)
            if llm.slug in llm.failover:
                message = f"llms.{llm.slug}.failover: names the LLM itself; remove it"
                raise ValueError(message)
        for app in self.apps:
            _known(f"apps.{app.name}.llms", app.llms, slugs)
        for token in self.tokens:
            _known("tokens.app", (token.app,), apps)
        return self


def is_http_url(url: str) -> bool:
    """Whether it is an address that can be asked: a scheme, a host, a port if any; no user, no query."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.username or parts.query or parts.fragment)
        )
    except ValueError:
        return False


def _unique(key: str, values: Sequence[str | int]) -> None:
    twice = {str(value) for value, count in Counter(values).items() if count > 1}
    if twice:
        message = f"{key}: {', '.join(sorted(twice))} is used twice; give each its own"
        raise ValueError(message)


def _known(key: str, values: tuple[str, ...] | tuple[int, ...], names: Mapping[Any, None]) -> None:
    for value in values:
        if value not in names:
            shown = list(map(str, islice(names, _MAX_SHOWN + 1)))
            known = ", ".join([*shown[:_MAX_SHOWN], *("…" for _ in shown[_MAX_SHOWN:])]) or "none are defined"
            message = f"{key}: {value!r} does not exist; known: {known}"
            raise ValueError(message)
