"""A look at one plugin: what it is, what it does wrong, what holds the event loop.

It is loaded as a gateway loads it, with services that live in memory, and each of its hooks is called once with a
message such as a gateway sends. Nothing it does reaches a vendor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import ValidationError

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.plugin_host.endpoint_paths import parse_pattern
from sluice.plugin_host.errors import CredentialRejected, PluginBlocked, PluginFailed, PluginLoadError, described
from sluice.plugin_host.link import Link
from sluice.plugin_host.opening import open_plugin
from sluice.plugin_host.registration import PluginRegistration, scheme_of
from sluice.plugin_host.running import Described, EventType, Handler, RunningPlugin
from sluice.plugin_kit.blocking import blocking_calls
from sluice.plugin_kit.loop_watch import LoopWatch
from sluice.plugin_kit.samples import sample_event, sample_facts, sample_message, sample_stream
from sluice.plugin_kit.trial import trial_opening
from sluice.sdk.capabilities import Hook
from sluice.sdk.collecting import DataCollectionResponse
from sluice.sdk.testing import make_context

_HOLDS_SECONDS = 0.05
"""Longer than this every exchange of the worker would notice."""
_LIFE_SECONDS = 10.0

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    remedy: str = ""


@dataclass(slots=True)
class Report:
    """What was found of a plugin; ``described`` is ``None`` where it could not be loaded."""

    command: str
    described: Described | None = None
    findings: list[Finding] = field(default_factory=list)

    def note(self, level: Level, what: str, remedy: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(level, what, remedy))

    @property
    def is_good(self) -> bool:
        """Whether a gateway may run it."""
        return all(finding.level != "problem" for finding in self.findings)


async def check_plugin(command: str, config: Mapping[str, Any], folder: Path, hooks: tuple[str, ...] = ()) -> Report:
    """Look at the plugin of a command, or of a file's path; relative ones begin in ``folder``. Never raises."""
    report = Report(command)
    try:
        registration = PluginRegistration.model_validate(
            {"id": 1, "name": "checked", "command": command, "config": dict(config), "hook_types": hooks}
        )
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            report.note("problem", f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")
        return report
    _read_source(report, registration, folder)
    with TemporaryDirectory(prefix="sluice-check-") as scratch:
        await _open(report, registration, folder, Path(scratch))
    return report


def _read_source(report: Report, registration: PluginRegistration, folder: Path) -> None:
    if scheme_of(registration.command) != "py_file":
        return
    path = folder / registration.command.partition(":")[0]
    try:
        calls = blocking_calls(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return  # loading it says what is wrong, and better
    for call in calls:
        report.note(
            "warning", f"line {call.line}: {call.function} calls {call.call}, which holds the loop", call.instead
        )


async def _open(report: Report, registration: PluginRegistration, folder: Path, scratch: Path) -> None:
    context = make_context(runtime="gateway")
    opening = trial_opening(registration, folder, scratch, context.services)
    try:
        plugin = await open_plugin(registration, opening)
    except PluginLoadError as error:
        report.note("problem", error.problem, error.remedy)
        return
    try:
        await _live(report, registration, plugin)
    finally:
        await _shut_down(report, plugin)


async def _live(report: Report, registration: PluginRegistration, plugin: RunningPlugin) -> None:
    context = make_context(runtime="gateway")
    try:
        with LoopWatch() as watch:
            await asyncio.wait_for(plugin.initialize(context), _LIFE_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what is to be told
        report.note("problem", f"initialize raised {described(error)}", "see what it needs of its configuration")
        return
    report.described = plugin.described
    _note_held(report, "initialize", watch)
    handlers = plugin.handlers()
    for hook, handler in handlers.items():
        if registration.wants(hook):
            await _call(report, plugin, hook, handler, [sample_message(hook)])
            if hook == "response_body" and plugin.described.handles_chunks:
                await _call(report, plugin, hook, handler, sample_stream(), "response_body of a stream")
    await _collect(report, plugin)
    await _look_at_endpoints(report, plugin)
    if not (handlers or plugin.described.has_endpoints or plugin.described.collects):
        remedy = "derive it from PreAuthHandler, PostAuthHandler, ResponseHandler, DataCollector …"
        report.note("problem", "it has no capability", remedy)


async def _call(
    report: Report, plugin: RunningPlugin, hook: Hook, handler: Handler, messages: Sequence[Any], name: str = ""
) -> None:
    """Call a hook with the messages of one exchange, and tell the last decision."""
    name = name or hook
    context = make_context()
    link = Link(
        plugin="it",
        hook=hook,
        handler=handler,
        services=context.services,
        timeout_seconds=1.0,
        fails_open=False,
        handles_chunks=plugin.described.handles_chunks,
        running=plugin,
        app_id=1,
    )
    chain, timings = Chain(hook, (link,), Limits()), []  # type: ignore[var-annotated]
    facts = sample_facts(hook)
    watch = LoopWatch()
    try:
        with watch:
            run = chain.authenticate if hook == "auth" else chain.run
            for message in messages:
                await run(facts, message, timings)
    except (PluginBlocked, CredentialRejected):
        pass  # a decision
    except PluginFailed as error:
        report.note("problem", f"{name}: {error.reason}", "a gateway answers 502, or goes on without it")
        return
    decision = timings[-1]["decision"] if timings else "none"
    report.note("ok", f"{name}: {decision} in {timings[-1]['micros'] if timings else 0} µs")
    _note_held(report, name, watch)


def _note_held(report: Report, what: str, watch: LoopWatch) -> None:
    if watch.longest_seconds > _HOLDS_SECONDS:
        held = f"{what} held the event loop for {watch.longest_seconds * 1000:.0f} ms: every exchange waited"
        report.note("problem", held, "await what waits; give what computes to asyncio.to_thread(…)")


async def _collect(report: Report, plugin: RunningPlugin) -> None:
    """Give a collector an event of each kind; one that cannot take it now may say so by raising."""
    handles: dict[EventType, Handler] = {
        "proxy_log": plugin.handle_proxy_log,
        "analytics": plugin.handle_analytics,
        "budget": plugin.handle_budget_usage,
    }
    for kind in sorted(() if plugin.described.collects_batches else plugin.described.collects):
        watch = LoopWatch()
        try:
            with watch:
                answer = await asyncio.wait_for(
                    handles[kind](make_context(runtime="collector"), sample_event(kind)), 1.0
                )
        except Exception as error:  # noqa: BLE001 - as above
            report.note(
                "warning", f"{kind}: raised {described(error)}", "the event would come again, until it is taken"
            )
            continue
        if answer is not None and not isinstance(answer, DataCollectionResponse):
            report.note("problem", f"{kind}: answered {type(answer).__name__}, not DataCollectionResponse or None")
            continue
        report.note("ok", f"{kind}: {'taken' if answer is None or answer.success else 'asked for again'}")
        _note_held(report, kind, watch)


async def _look_at_endpoints(report: Report, plugin: RunningPlugin) -> None:
    if not plugin.described.has_endpoints:
        return
    try:
        registrations = await asyncio.wait_for(plugin.get_endpoint_registrations(), _LIFE_SECONDS)
    except Exception as error:  # noqa: BLE001 - as above
        report.note("problem", f"get_endpoint_registrations raised {described(error)}")
        return
    if not registrations:
        report.note("warning", "it registers no endpoint", "return at least one EndpointRegistration")
    for each in registrations:
        try:
            parse_pattern(each.path)
        except ValueError as error:
            report.note("problem", f"endpoint {each.path!r}: {error}")
        else:
            report.note("ok", f"endpoint {', '.join(each.methods)} {each.path}")


async def _shut_down(report: Report, plugin: RunningPlugin) -> None:
    try:
        await asyncio.wait_for(plugin.shutdown(make_context()), _LIFE_SECONDS)
    except Exception as error:  # noqa: BLE001 - as above
        report.note("problem", f"shutdown raised {described(error)}")
