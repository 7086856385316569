"""Where the configuration comes from: an option of ``sluice collect``, the environment, or ``collectors.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import structlog
from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from collectors.configuration.file import FileOrigin
from collectors.configuration.last_good import LastGood
from collectors.configuration.service import ServiceOrigin
from collectors.sinks.settings import Duration
from sluice.settings import SettingsError, environment

PATH = "PLUGINS_CONFIG_PATH"
"""The file, YAML or JSON, where ``sluice collect`` is given none; e.g. ``/etc/sluice/collectors.yaml``."""
SERVICE_URL = "PLUGINS_CONFIG_SERVICE_URL"
"""Else the service that serves it at ``<url>/plugins/data-collection``; e.g. ``https://config.example.com``."""
SERVICE_TOKEN = "PLUGINS_CONFIG_SERVICE_TOKEN"  # noqa: S105 - the variable's name
"""Shown to that service as a bearer token; by default none."""
POLL_INTERVAL = "PLUGINS_CONFIG_POLL_INTERVAL"
"""How often that service is asked: a duration from 1s to 24h; by default 30s."""
CA_FILE = "PLUGINS_CONFIG_SERVICE_CA_FILE"
"""PEM of who signed that service's certificate; by default who the system trusts."""
DEFAULT_PATH = Path("collectors.yaml")
DEFAULT_POLL_SECONDS = 30.0

_Interval = TypeAdapter(Annotated[Duration, Field(ge=1, le=86_400)])
_LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")

_log = structlog.get_logger(__name__)


class Origin(Protocol):
    """Something that a configuration can be read from again and again."""

    where: str
    """What it is called: a path, or an address."""
    folder: Path
    """Where relative paths in it begin."""
    file: Path
    """Where commands can read it: of a service what it last served that could be used."""
    interval_seconds: float
    """How often it is looked at."""
    tells_unchanged: bool
    """Whether ``None`` means that it was reached; of a file it may still be missing."""

    async def read(self, *, insists: bool) -> bytes | None:
        """What it holds now, ``None`` where that is nothing new; who insists wants it even so, where it is at hand.

        Raises SettingsError where nothing can be read.
        """
        ...

    def keep(self, data: bytes) -> None:
        """What it gave could be used."""
        ...

    def kept(self) -> bytes | None:
        """What could last be used, where somebody must keep it; raises SettingsError where it is not to be trusted."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, by whom, and what was not."""

    place: str
    because: str
    instead_of: str = ""

    @property
    def is_service(self) -> bool:
        """Whether it is asked for over HTTP."""
        return self.because == SERVICE_URL or is_address(self.place)


def is_address(place: str) -> bool:
    """Whether it is to be asked over HTTP, and not opened."""
    return place.startswith(("http://", "https://"))


def choose(option: str, variables: Mapping[str, str]) -> Choice:
    """The option wins, then the path, then the service; an empty variable is none."""
    given = [
        (option, "--collectors"),
        (variables.get(PATH, ""), PATH),
        (variables.get(SERVICE_URL, ""), SERVICE_URL),
    ]
    found = [(place, because) for place, because in given if place]
    if not found:
        return Choice(str(DEFAULT_PATH), "default")
    return Choice(*found[0], ", ".join(because for _, because in found[1:]))


def open_origin(option: str, data_dir: Path, variables: Mapping[str, str] | None = None) -> FileOrigin | ServiceOrigin:
    """The one to use; the log says which, and why. Raises SettingsError for a variable that cannot be used."""
    variables = environment() if variables is None else variables
    choice = choose(option, variables)
    origin = service_at(choice.place, data_dir, variables) if choice.is_service else FileOrigin(Path(choice.place))
    if choice.instead_of or choice.because in {PATH, SERVICE_URL}:  # else the command line says it
        _log.info("configuration", source=origin.where, because=choice.because, instead_of=choice.instead_of or None)
    is_clear = origin.where.startswith("http://") and not origin.where.startswith(_LOOPBACK)
    if is_clear and variables.get(SERVICE_TOKEN):
        _log.warning("configuration token travels in clear", source=origin.where, remedy="use https")
    return origin


def service_at(url: str, data_dir: Path, variables: Mapping[str, str]) -> ServiceOrigin:
    """Asked as the environment says. Raises SettingsError for a variable that cannot be used."""
    token = SecretStr(variables.get(SERVICE_TOKEN, "").strip())
    interval = _interval_of(variables.get(POLL_INTERVAL, ""))
    return ServiceOrigin(url, token, interval, LastGood(data_dir, url), variables.get(CA_FILE, ""))


def _interval_of(text: str) -> float:
    if not text:
        return DEFAULT_POLL_SECONDS
    try:
        return _Interval.validate_python(text)
    except ValidationError:
        problem = f"{POLL_INTERVAL}: must be from 1s to 24h, such as 30s or 5m (found {text[:40]!r})"
        raise SettingsError("environment", [problem]) from None
