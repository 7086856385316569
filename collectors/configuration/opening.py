"""The configuration that a process begins with: what its origin gives, else what was kept of a service."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from collectors.configuration.checking import Configuration, configuration_of, missing_files
from collectors.configuration.origin import Origin
from collectors.configuration.reloading import Reloading
from collectors.configuration.state import ConfigurationState
from collectors.settings import HostSettings
from sluice.settings import SettingsError

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """What a process begins with."""

    configuration: Configuration
    newest: bytes
    """What the origin gave, which may be something else, that cannot be used."""
    away: Sequence[str] = ()
    refused: Sequence[str] = ()


async def begin(
    origin: Origin, services: Sequence[str], host: HostSettings, clock: Callable[[], float] = time.monotonic
) -> Reloading:
    """What to begin with, and what will follow it. Raises SettingsError where there is nothing to begin with."""
    check = partial(configuration_of, where=origin.where, folder=origin.folder, services=services, host=host)
    begun = await _begun(origin, partial(check, needs_files=False))
    for problem in missing_files(begun.configuration.plans, origin.folder):
        _log.warning("configuration names a file that is not there", source=origin.where, problem=problem)
    state = ConfigurationState(origin.where, begun.configuration.version, away=begun.away, refused=begun.refused)
    return Reloading(origin, check, begun.configuration, begun.newest, state, clock)


async def _begun(origin: Origin, check: Callable[[bytes], Configuration]) -> Begun:
    try:
        data = await origin.read(insists=True)
    except SettingsError as error:
        kept = origin.kept()
        if kept is None:
            raise
        _log.warning("configuration cannot be read, begins with the last good one", problems=error.problems)
        return Begun(check(kept), kept, away=error.problems)
    if data is None:  # it is asked for the first time
        raise SettingsError(origin.where, ["answers that nothing changed, and has told nothing yet"])
    try:
        configuration = check(data)
    except SettingsError as error:
        return _begun_before(origin, check, data, error)
    origin.keep(data)
    return Begun(configuration, data)


def _begun_before(
    origin: Origin, check: Callable[[bytes], Configuration], data: bytes, refused: SettingsError
) -> Begun:
    """With the last good one, where there is one; else the refusal is raised."""
    try:
        kept = origin.kept()
        configuration = None if kept is None else check(kept)
    except SettingsError:
        configuration = None
    if configuration is None:
        raise refused
    _log.error("configuration refused, begins with the last good one", source=origin.where, problems=refused.problems)
    return Begun(configuration, data, refused=refused.problems)
