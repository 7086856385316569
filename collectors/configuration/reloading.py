"""Follows the configuration while services run.

1 look: at each interval, and at once when told   2 read what is new   3 check it as a whole: else it is refused, and
what runs goes on   4 compare   5 ask the sinks of services that change: else those wait   6 exchange   7 keep it

One round at a time: however often it is told meanwhile, one more follows. What was refused, or waits, is tried again
now and then: a file or a sink that was missing may be there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from collectors.configuration.changes import Changes, Recipe, changes_of, new_sinks, recipes_of, restart_keys
from collectors.configuration.checking import Configuration
from collectors.configuration.origin import Origin
from collectors.configuration.probe import why_not
from collectors.configuration.state import ConfigurationState
from collectors.fleet import Fleet
from collectors.settings import Settings
from collectors.sinks.registry import SinkOpening
from sluice.settings import SettingsError

RETRY_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class Reloading:
    """Of one process. ``check`` makes a configuration of bytes, and raises SettingsError; ``clock`` is monotonic."""

    def __init__(
        self,
        origin: Origin,
        check: Callable[[bytes], Configuration],
        begun_with: Configuration,
        newest: bytes,
        state: ConfigurationState,
        clock: Callable[[], float],
    ) -> None:
        """``newest`` is what the origin gave last, whether it could be used or not."""
        self.origin = origin
        self.state = state
        self.running = begun_with
        self._begun_with: Settings = begun_with.settings
        self._check = check
        self._clock = clock
        self._newest = newest
        self._told = asyncio.Event()
        self.listener: Callable[[Settings], None] = lambda _settings: None
        """Told of settings that were taken up."""
        self._tried_at = clock()

    def tell(self) -> None:
        """Look at once, and begin anew what has failed for good."""
        self._told.set()

    async def run(self, fleet: Fleet, opening_of: Callable[[Settings], SinkOpening]) -> None:
        """Until cancelled."""
        while True:
            insists = await self._next()
            try:
                data = await self._read(insists=insists)  # 1, 2
                if data is not None:
                    await self._take(data, fleet, opening_of, insists=insists)
            except Exception as error:  # noqa: BLE001 - a fault of a reload must not end what runs
                _log.exception("reload broke")
                self._refuse([f"cannot be taken up: the reload broke ({type(error).__name__}); see the log"])

    async def _next(self) -> bool:
        """Whether we were told; else an interval has passed."""
        try:
            async with asyncio.timeout(self.origin.interval_seconds):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True

    async def _read(self, *, insists: bool) -> bytes | None:
        """What is to be looked at: something new, or what was looked at before, where that is worth it."""
        try:
            data = await self.origin.read(insists=insists)
        except SettingsError as error:
            if not self.state.away:
                _log.error("configuration cannot be read, what runs goes on", problems=error.problems)
                self.state.note("unreachable")
            self.state.away = error.problems
            return None
        if self.state.away and (data is not None or self.origin.tells_unchanged):
            _log.info("configuration can be read again", source=self.origin.where)
            self.state.away = ()
        if data is not None and (data != self._newest or insists):
            return data
        is_open = bool(self.state.refused or self.state.waiting)
        is_due = is_open and self._clock() - self._tried_at >= RETRY_SECONDS
        return self._newest if insists or is_due else None

    async def _take(
        self, data: bytes, fleet: Fleet, opening_of: Callable[[Settings], SinkOpening], *, insists: bool
    ) -> None:
        self._newest, self._tried_at = data, self._clock()
        try:
            configuration = self._check(data)  # 3
        except SettingsError as error:
            self._refuse(error.problems)
            return
        settings = configuration.settings
        wanted = recipes_of(settings, configuration.plans)
        failed = fleet.failed if insists else ()
        changes = changes_of(fleet.recipes, wanted, opening_of(settings).host.data_dir, failed)  # 4
        changes, waiting = await self._hold_back(changes, fleet.recipes, opening_of(settings))  # 5
        await fleet.apply(changes, [each.name for each in wanted])  # 6
        self._applied(configuration, changes, waiting)
        self.origin.keep(data)  # 7

    def _refuse(self, problems: Sequence[str]) -> None:
        if list(problems) != list(self.state.refused):
            _log.error("configuration refused, what runs goes on", source=self.origin.where, problems=problems)
            self.state.note("refused")
        self.state.refused = problems

    async def _hold_back(
        self, changes: Changes, running: Mapping[str, Recipe], opening: SinkOpening
    ) -> tuple[Changes, dict[str, str]]:
        """Without the services whose new sinks do not answer: better the old one than none. A further service has no
        old one, and waits for its sinks as it does at a start."""
        asked = [why_not(new_sinks(recipe, running.get(recipe.name)), opening) for recipe in changes.changed]
        reasons = await asyncio.gather(*asked)
        waiting = {recipe.name: why for recipe, why in zip(changes.changed, reasons, strict=True) if why}
        changed = tuple(recipe for recipe in changes.changed if recipe.name not in waiting)
        return replace(changes, changed=changed), waiting

    def _applied(self, configuration: Configuration, changes: Changes, waiting: Mapping[str, str]) -> None:
        state, restart = self.state, restart_keys(self._begun_with, configuration.settings)
        is_news = bool(changes) or state.version != configuration.version or dict(waiting) != dict(state.waiting)
        is_news = is_news or bool(state.refused)
        self.running = configuration
        state.applied(configuration.version, waiting, restart)
        self.listener(configuration.settings)
        if not is_news:
            return
        state.note("waiting" if waiting else "applied")
        _log.info(
            "configuration applied",
            source=self.origin.where,
            version=configuration.version,
            added=[each.name for each in changes.added],
            exchanged=[each.name for each in changes.changed],
            removed=list(changes.removed),
        )
        for service, reason in waiting.items():
            _log.error("service is not exchanged yet, the old one runs on", service=service, reason=reason)
        if restart:
            _log.warning("configuration has keys that take effect with the next start", keys=restart)
