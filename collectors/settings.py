"""The settings of collectors: ``collectors.yaml`` in the reference's form, and what they need of ``sluice.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from collectors.entries import FALLBACK, AnyEntry, Entry
from collectors.plans import ServicePlan, plans_of
from collectors.retention.settings import RetentionSettings
from collectors.services.archive.settings import ArchiveSettings
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.reconcile.settings import ReconcileSettings
from collectors.sinks.settings import Duration
from collectors.tracing import TracingSettings
from sluice.eventlog.settings import LogSettings, Section
from sluice.plugin_host.settings import PluginHostSettings

CLEARED_SINKS = ("sink://database", "sink://elasticsearch", "sink://file")
"""Those whose stores ``retention`` clears."""


class ServerSettings(Section):
    """Where health and metrics are served; port 0 takes a free one."""

    host: Annotated[str, Field(examples=["0.0.0.0"])] = "127.0.0.1"
    """The address that it listens at."""
    port: Annotated[int, Field(ge=0, le=65_535, examples=[9465])] = 9464
    """Where it listens."""
    token: SecretStr = SecretStr("")
    """Who shows it as a bearer token may pause and resume services, see dead letters and begin redrives; without one
    only who asks from this host may."""


class ControlSettings(Section):
    """Where plugins of collectors ask what the gateway knows: its control API."""

    url: Annotated[str, Field(pattern=r"^(https?://[^/@\s]+)?/?$", examples=["http://gateway:8080"])] = ""
    """``http://host:port`` of a control API of ``control.dialect: clean``; without one plugins cannot ask."""
    token: SecretStr = SecretStr("")
    """With the scope ``admin``."""

    @model_validator(mode="after")
    def url_needs_a_token(self) -> Self:
        """Nothing is told to who has none."""
        if self.url and not self.token.get_secret_value():
            message = "token: is needed with a url; make one with the scope admin, and give it as ${VARIABLE}"
            raise ValueError(message)
        return self


class Settings(Section):
    """Everything in ``collectors.yaml``."""

    version: Annotated[Literal["1", "1.0"], BeforeValidator(str)] = "1.0"
    """Of the file's form."""
    data_collection_plugins: Annotated[
        tuple[Entry, ...], Field(examples=[[{"name": "search", "path": "sink://elasticsearch"}]])
    ] = ()
    """The entries: each moves events to one sink or plugin."""
    server: ServerSettings = ServerSettings()
    control: ControlSettings = ControlSettings()
    tracing: TracingSettings = TracingSettings()
    retention: RetentionSettings | None = None
    """What stores keep; nothing is deleted without it."""
    budget_truth: BudgetTruthSettings | None = None
    """Counts what was spent from the log, and checks the ledger against it."""
    reconcile: ReconcileSettings | None = None
    """How often the log is compared with what was reported, and with the sinks."""
    archive: ArchiveSettings | None = None
    """Where every record of the log is kept, by hour; nothing is archived without it."""
    shutdown_seconds: Duration = 25.0
    """How long a stop lets batches end."""

    @model_validator(mode="after")
    def names_are_apart(self) -> Self:
        """By its name an entry is known in metrics and dead letters."""
        seen = {FALLBACK}
        for entry in self.data_collection_plugins:
            if entry.name in seen:
                taken = "is what fallbacks are called" if entry.name == FALLBACK else "names two entries"
                message = f"data_collection_plugins: name {entry.name!r} {taken}; choose another"
                raise ValueError(message)
            seen.add(entry.name)
        plans_of(self.data_collection_plugins)
        return self

    @model_validator(mode="after")
    def stores_of_retention_are_entries(self) -> Self:
        """By their names, and of the sinks whose stores can be cleared."""
        paths = {entry.name: entry.path for entry in self.data_collection_plugins} | {FALLBACK: CLEARED_SINKS[0]}
        for name in self.retention.stores if self.retention is not None else ():
            if name not in paths:
                message = f"retention.stores: no entry {name!r}; there are: {', '.join(paths)}"
                raise ValueError(message)
            if paths[name] not in CLEARED_SINKS:
                message = f"retention.stores: {name!r} is {paths[name]}, which has means of its own; remove it"
                raise ValueError(message)
        return self

    def services(self, names: tuple[str, ...] = ()) -> tuple[ServicePlan, ...]:
        """These services, or all, of the entries that are enabled; ValueError names an unknown one."""
        return plans_of(self.entries(names))

    def notes(self) -> tuple[str, ...]:
        """What is allowed and not the recommended form."""
        return tuple(
            f"service {plan.name!r} has several collectors ({', '.join(each.name for each in plan.entries)}); one a "
            "service is the recommended form: the slowest of several holds back what the others may acknowledge"
            for plan in self.services()
            if len(plan.entries) > 1
        )

    def entries(self, services: tuple[str, ...] = ()) -> tuple[AnyEntry, ...]:
        """The enabled entries of these services, of all where none is named; ValueError names an unknown one."""
        enabled = [entry for entry in self.data_collection_plugins if entry.enabled]
        names = tuple(dict.fromkeys(entry.service_name for entry in enabled))
        for service in services:
            if service not in names:
                message = f"no enabled service {service!r}; there are: {', '.join(names) or 'none'}"
                raise ValueError(message)
        return tuple(entry for entry in enabled if not services or entry.service_name in services)


class HostSettings(LogSettings):
    """What collectors read of ``sluice.yaml``: where the log is. The rest of that file is the gateway's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data_dir: Path = Path(".sluice")
    plugin_host: PluginHostSettings = PluginHostSettings()
