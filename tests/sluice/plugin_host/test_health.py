"""Health tells how each plugin is, in figures that cost nothing until they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sluice.plugin_host.gate import Gate
from sluice.plugin_host.health import health_of
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.plugin_host.running import Condition, Described
from sluice.sdk.endpoints import EndpointRegistration
from sluice.sdk.testing import RecordingServices
from tests.sluice.plugin_host.plugins import Limit, answering, link

REGISTRATION = PluginRegistration.model_validate({"id": 3, "name": "a", "command": "a.py"})


class Elsewhere(LocalPlugin):
    """Says that it runs in another process."""

    def __init__(self, condition: Condition) -> None:
        super().__init__(Limit())
        self._condition = condition

    @property
    def described(self) -> Described:
        return replace(super().described, where="process", pid=77, version="1.2")

    def condition(self) -> Condition:
        return self._condition


def loaded(condition: Condition | None = None) -> LoadedPlugin:
    """A plugin that serves at two hooks."""
    gate = Gate(2)
    running: Any = Elsewhere(condition or Condition(since=5))
    return LoadedPlugin(
        instance=Instance("k", REGISTRATION),
        registration=REGISTRATION,
        running=running,
        services=RecordingServices(),
        gate=gate,
        links={hook: link("a", answering(None), hook=hook, gate=gate) for hook in ("post_auth", "response_body")},
        endpoints=(EndpointRegistration(path="/x/*", methods=("GET", "POST")),),
        slug="a-slug",
    )


def test_counts_of_all_hooks_are_summed() -> None:
    """And shown of each."""
    plugin = loaded()
    for at, each in enumerate(plugin.links.values(), 1):
        each.tally.add(10 * at)
        each.count_failure("why")
        each.count_not_called("why")
        each.count_blocked_loop(1)
        each.skip_stream()
        each.tally.oversized += 1
    health = health_of("k", REGISTRATION, plugin, attempted_at=1, load_micros=2)
    counts = (health.calls, health.failures, health.not_called, health.oversized, health.skipped_streams)
    assert (counts, health.blocked_loop) == ((2, 2, 2, 2, 2), 2)
    assert {hook: figures.p50_micros for hook, figures in health.figures.items()} == {
        "post_auth": 10,
        "response_body": 20,
    }
    assert (health.attempted_at, health.load_micros, health.key, health.plugin_id) == (1, 2, "k", 3)


def test_what_it_is_is_shown() -> None:
    """Where it runs, what of it, since when, and what it answers to."""
    health = health_of("k", REGISTRATION, loaded(Condition(restarts=2, since=9)))
    assert (health.status, health.where, health.pid, health.version) == ("ready", "process", 77, "1.2")
    assert (health.hooks, health.restarts, health.since) == (("post_auth", "response_body"), 2, 9)
    assert health.endpoints == ("GET /plugins/a-slug/x/*", "POST /plugins/a-slug/x/*")
    assert health.command == "a.py"


def test_an_open_breaker_is_shown() -> None:
    """A plugin that is loaded well may still be left alone."""
    plugin = loaded()
    plugin.gate.failed("1")
    plugin.gate.failed("2")
    health = health_of("k", REGISTRATION, plugin)
    assert (health.status, health.breaker, health.breaker_openings, health.under_way) == ("ready", "open", 1, 0)


def test_its_process_may_be_ill_though_it_was_loaded_well() -> None:
    """A load that failed, or that is under way, is told first."""
    ill = loaded(Condition(status="failed", error="exited with 1"))
    assert [
        (health.status, health.error, health.is_serving)
        for health in (
            health_of("k", REGISTRATION, ill),
            health_of("k", REGISTRATION, ill, is_loading=True),
            health_of("k", REGISTRATION, ill, error="no such file"),
            health_of("k", REGISTRATION, None, error="no such file"),
            health_of("k", REGISTRATION, None, is_loading=True),
        )
    ] == [
        ("failed", "exited with 1", True),
        ("loading", "exited with 1", True),
        ("failed", "no such file", True),
        ("failed", "no such file", False),
        ("loading", "", False),
    ]
