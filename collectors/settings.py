"""The settings of collectors: ``collectors.yaml`` in the reference's form, and what they need of ``sluice.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from collectors.entries import AnyEntry, Entry
from collectors.sinks.settings import Duration
from sluice.eventlog.settings import LogSettings, Section
from sluice.plugin_host.settings import PluginHostSettings


class ServerSettings(Section):
    """Where health and metrics are served; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464


class ControlSettings(Section):
    """Where plugins of collectors ask what the gateway knows: its control API."""

    url: Annotated[str, Field(pattern=r"^(https?://[^/@\s]+)?/?$")] = ""
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
    data_collection_plugins: tuple[Entry, ...] = ()
    server: ServerSettings = ServerSettings()
    control: ControlSettings = ControlSettings()
    shutdown_seconds: Duration = 25.0

    @model_validator(mode="after")
    def services_are_apart(self) -> Self:
        """One entry for each service: a slow sink holds nobody back."""
        seen: set[str] = set()
        for entry in self.data_collection_plugins:
            if entry.service_name in seen:
                message = f"service {entry.service_name!r} has two entries, which is not in this version; name another"
                raise ValueError(message)
            seen.add(entry.service_name)
        return self

    def entries(self, services: tuple[str, ...] = ()) -> tuple[AnyEntry, ...]:
        """The enabled entries of these services, of all where none is named; ValueError names an unknown one."""
        enabled = [entry for entry in self.data_collection_plugins if entry.enabled]
        names = [entry.service_name for entry in enabled]
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
