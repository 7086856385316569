"""One worker process, from its journal's lock to its last report.

1 control database: the snapshot to serve by   2 journal: lock, cut the torn end, record what a kill interrupted
3 plugins   4 relay, event log   5 the flow   6 serve, housekeeping beside it   7 drain, closing report, relay, seal
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.access.host_share import share_of
from gateway.access.shared_table import SharedTable, table_folder
from gateway.adoption import Adopter
from gateway.assembly import WorkerParts, assemble
from gateway.control.ledger import ControlLedger
from gateway.control.plane import ControlPlane, open_plane
from gateway.endpoints import make_application
from gateway.listener import Listeners, WorkerServer
from gateway.managing import Managing
from gateway.plugin_environment import PluginEnvironment
from gateway.recording.alerts import BudgetAlerts
from gateway.recording.inflight import FILE_NAME, InFlightFile
from gateway.recording.recovery import ChargeRule, recover
from gateway.recording.reports import report
from gateway.snapshot import PresentPrices
from gateway.sweep import Sweep
from gateway.telemetry import GatewayMetrics
from gateway.worker_metrics import MetricsFolder
from schemas.ids import new_boot_id
from schemas.topics import Topics
from sluice.beats import beat
from sluice.eventlog.interface import Boot, EventLogError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.lock import JournalBusyError
from sluice.eventlog.modes import open_log
from sluice.eventlog.places import gateway_journal
from sluice.memory import FEW, settle_memory

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from gateway.asgi import Application
    from gateway.control.api.services import ControlServices
    from gateway.exchange import Exchange
    from gateway.settings import Settings
    from sluice.eventlog.interface import EventLog
    from sluice.eventlog.relay import Relay

HOUSEKEEPING_SECONDS = 1.0
REPORT_SECONDS = 60.0
_LOCK_SECONDS = 15.0
"""How long a starting worker waits for its journal: whoever adopted it meanwhile lets go within seconds."""
_RELAY_DRAIN_SECONDS = 1.0
"""At the end the relay gets this long; what it leaves is in the journal, and the next boot goes on from there."""

logger = structlog.get_logger(__name__)


class Worker:
    """One worker of a gateway. ``config`` is the settings file: it is looked after, and plugins' paths begin there."""

    def __init__(self, settings: Settings, config: Path, name: str, listeners: Listeners) -> None:
        self._settings = settings
        self._config = config
        self._name = name
        self._listeners = listeners
        self._topics = Topics(settings.kafka.namespace, settings.kafka.partitions)
        self._directory = gateway_journal(settings.data_dir, settings.gateway.id, name)
        self._metrics = GatewayMetrics(exemplars=settings.metrics.exemplars)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then drain. Raises what keeps the worker from starting."""
        settings = self._settings
        sweep = Sweep(settings.gateway.drain_timeout_seconds)
        endpoint_sweep = Sweep(settings.gateway.drain_timeout_seconds)  # an event stream may last, and is no LLM call

        def exchanges() -> list[Exchange]:
            return [*sweep.exchanges, *endpoint_sweep.exchanges]

        async with AsyncExitStack() as stack:
            environment = PluginEnvironment(settings, self._name, self._topics, self._metrics)
            stack.push_async_callback(environment.close)
            control = await stack.enter_async_context(open_plane(settings, self._config, exchanges))  # 1
            rule = ChargeRule(settings.budget.interrupted, PresentPrices(control.snapshots))
            journal, boot, table = await self._open_journal(stack, rule)  # 2
            alerts = BudgetAlerts(journal, boot, self._topics)
            ledger = ControlLedger(control.store.database, settings.budget.slice_fraction, alerts)
            share = share_of(settings, table, ledger, self._metrics)
            stack.push_async_callback(share.keeper.close)
            await share.keeper.start()
            inflight = InFlightFile(self._directory / FILE_NAME, settings.gateway.max_in_flight)
            stack.callback(inflight.close)
            await control.start_plugins(environment.open(control))  # 3
            relay = self._make_relay(journal)  # 4
            log = open_log(settings, journal, relay)
            stack.push_async_callback(log.close)
            application, managed = await self._applications(
                stack, control, lambda: self._problems(journal, relay), stop
            )
            parts = assemble(  # 5
                settings,
                log=log,
                boot=boot,
                inflight=inflight,
                mark=journal.mark,
                event_ids_since=journal.event_ids_since,
                snapshots=control.snapshots,
                credentials=control.credentials,
                plugins=lambda: control.plugins.endpoints,
                share=share,
                sweep=sweep,
                endpoint_sweep=endpoint_sweep,
                metrics=self._metrics,
                application=application,
            )
            stack.push_async_callback(parts.client.close)
            for outlet in parts.outlets:
                stack.push_async_callback(outlet.close)
            adopter = Adopter(settings, self._topics, self._directory, self._metrics, rule, ledger)
            others = [control.run, environment.run, adopter.run, share.keeper.run]
            others += [outlet.run for outlet in parts.outlets]
            async with self._housekeeping(journal, boot, parts, relay, others):
                settle_memory(FEW)
                await self._serve(parts.app, managed, stop)  # 6
                await self._close_books(journal, boot, log, relay)  # 7

    async def _applications(
        self, stack: AsyncExitStack, control: ControlPlane, problems: Callable[[], list[str]], stop: asyncio.Event
    ) -> tuple[Application, Application]:
        """What answers beside the data plane on the gateway's port, and on the control API's where it has its own."""
        plain = self._application(problems)
        if not self._settings.control.enabled:
            return plain, plain
        managing = Managing(self._settings, control, plain, partial(self._application, problems), stop)
        await managing.check()
        stack.push_async_callback(managing.close)
        return managing if self._listeners.control is None else plain, managing

    def _application(
        self,
        problems: Callable[[], list[str]],
        control: ControlServices | None = None,
        console: ASGIApp | None = None,
    ) -> ASGIApp:
        return make_application(problems, self._render_metrics, control, console, self._render_open_metrics)

    async def _serve(self, app: Application, managed: Application, stop: asyncio.Event) -> None:
        """On every socket there is, until ``stop``."""
        own, listeners = self._settings.gateway, self._listeners
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(WorkerServer(own, app, self._metrics, listeners.gateway).serve(stop))
            if listeners.control is not None:
                tasks.create_task(WorkerServer(own, managed, self._metrics, listeners.control).serve(stop))

    async def _open_journal(self, stack: AsyncExitStack, rule: ChargeRule) -> tuple[Journal, Boot, SharedTable]:
        settings = self._settings
        journal = await self._lock_journal()
        stack.push_async_callback(journal.close)
        table = SharedTable(table_folder(self._directory), self._directory.name)
        stack.callback(table.close)
        interrupted = await asyncio.to_thread(recover, journal, self._directory, rule, self._topics, table)
        if interrupted:
            self._metrics.interrupted.add(interrupted)
            logger.warning("interrupted exchanges recorded", worker=self._name, count=interrupted)
        boot = Boot(settings.gateway.id, self._name, new_boot_id())
        journal.begin(boot)
        journal.housekeep()
        return journal, boot, table

    async def _lock_journal(self) -> Journal:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LOCK_SECONDS
        embedded = not self._settings.kafka.bootstrap_servers
        while True:
            try:
                return await asyncio.to_thread(
                    Journal, self._directory, self._settings.journal, self._topics, embedded=embedded
                )
            except JournalBusyError:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(0.1)

    def _make_relay(self, journal: Journal) -> Relay | None:
        settings = self._settings
        if not settings.kafka.bootstrap_servers:
            return None
        from sluice.eventlog.relay import Relay  # noqa: PLC0415 - Kafka's client, for who has a Kafka

        relay = Relay(self._directory, settings, self._topics, settings.gateway.id)
        relay.attach(journal)
        return relay

    def _problems(self, journal: Journal, relay: Relay | None) -> list[str]:
        """Why this worker should get no requests now."""
        problems = []
        if not journal.room.has_room():
            problems.append("the journal has no room for another exchange")
        strict = self._settings.eventlog.durability == "strict"
        if strict and self._settings.strict.on_timeout == "refuse" and relay and not relay.is_acknowledging:
            problems.append("Kafka does not acknowledge (eventlog.durability: strict)")
        return problems

    def _render_metrics(self) -> str:
        return self._folder().render(self._name, self._metrics.registry.families())

    def _render_open_metrics(self) -> str:
        return self._folder().render_open(self._name, self._metrics.registry.families())

    def _folder(self) -> MetricsFolder:
        return MetricsFolder(self._settings.data_dir, self._settings.gateway.id)

    @contextlib.asynccontextmanager
    async def _housekeeping(
        self,
        journal: Journal,
        boot: Boot,
        parts: WorkerParts,
        relay: Relay | None,
        others: Sequence[Callable[[], Coroutine[None, None, None]]],
    ) -> AsyncIterator[None]:
        """What goes on beside the server; a fault here ends the worker, so that it is seen and started again."""
        folder = self._folder()

        async def keep_house() -> None:
            for group in journal.housekeep():
                logger.error("a group that was too far behind lost its place", group=group.group)
            self._metrics.log.observe(journal, relay)
            if self._settings.gateway.workers > 1:  # else nobody reads it
                with contextlib.suppress(OSError):  # a full disk, of which the journal's metrics tell: no end of ours
                    folder.write(self._name, self._metrics.registry.families())

        async def write_report() -> None:
            await self._report(journal, boot, closing=False)

        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(parts.sweep.run()),
                tasks.create_task(parts.endpoint_sweep.run()),
                tasks.create_task(_each(HOUSEKEEPING_SECONDS, keep_house)),
                tasks.create_task(_each(HOUSEKEEPING_SECONDS, parts.backlog.settle)),
                tasks.create_task(_each(REPORT_SECONDS, write_report)),
                *(tasks.create_task(other()) for other in others),
            ]
            if relay is not None:
                running.append(tasks.create_task(relay.run()))
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
                folder.remove(self._name)

    async def _close_books(self, journal: Journal, boot: Boot, log: EventLog, relay: Relay | None) -> None:
        await log.close()
        await self._report(journal, boot, closing=True)
        if relay is not None:
            await relay.drain(_RELAY_DRAIN_SECONDS)

    async def _report(self, journal: Journal, boot: Boot, *, closing: bool) -> None:
        totals = self._metrics.totals
        record = report(boot, self._topics, totals, journal.sequences, self._metrics.drops(), closing=closing)
        try:
            await journal.append_records([record])
        except EventLogError as error:
            # Totals are absolute: the next report says it all, and the last one is written by whoever adopts us.
            logger.warning("gateway report not written", error=str(error))


async def _each(seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await beat(seconds)
        await step()
