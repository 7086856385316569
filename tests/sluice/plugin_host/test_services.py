"""Tests of ``sluice.plugin_host.services``: what plugins get in which runtime, and what they are told elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from sluice.plugin_host.http_pool import HttpPool
from sluice.plugin_host.kv import KvStore
from sluice.plugin_host.messages import MessageBus
from sluice.plugin_host.services import ServiceSources, bare_services, release
from sluice.sdk.context import Runtime
from sluice.sdk.errors import ServiceUnavailable
from sluice.sdk.services import GatewayServices, Message, Services, StudioServices
from tests.sluice.plugin_host.waiting import until


def named(kind: str) -> Callable[[int, str], Any]:
    """A source whose services say whose they are."""
    return lambda plugin_id, plugin: (kind, plugin_id, plugin)


@pytest.fixture
async def sources(tmp_path: Path) -> AsyncIterator[ServiceSources]:
    """A process that has everything."""
    kv, http = KvStore(tmp_path / "plugins.db"), HttpPool()
    gateway = cast("Callable[[int, str], GatewayServices]", named("gateway"))
    studio = cast("Callable[[int, str], StudioServices]", named("studio"))
    yield ServiceSources(kv=kv, messages=MessageBus(gateway_id="g"), http=http, gateway=gateway, studio=studio)
    await kv.close()
    await http.close()


def test_a_log_line_names_its_plugin() -> None:
    """By name and id, beside what the author wrote."""
    with capture_logs() as lines:
        bare_services(7, "limit", "gateway").logger.info("prompt refused", size_bytes=3)
    expected = {"event": "prompt refused", "log_level": "info", "plugin": "limit", "plugin_id": 7, "size_bytes": 3}
    assert lines == [expected]


def test_two_plugins_have_two_logs() -> None:
    """What one is bound to is not said by the other, in whatever order they were made."""
    with capture_logs() as lines:
        first, second = bare_services(1, "first", "gateway"), bare_services(2, "second", "gateway")
        second.logger.warning("a phrase")
        first.logger.error("a phrase")
    assert [(line["plugin"], line["plugin_id"], line["log_level"]) for line in lines] == [
        ("second", 2, "warning"),
        ("first", 1, "error"),
    ]


async def test_every_service_is_the_plugins_own(sources: ServiceSources) -> None:
    """Made of what the process has, with the plugin's id and name; made once."""
    services: Services = sources.services_of(7, "limit", "gateway")
    await services.kv.write("a", b"1")
    assert sources.kv is not None
    assert await sources.kv.of_plugin(7).read("a") == b"1"
    assert await services.messages.publish("t", b"")
    assert services.http is services.http
    assert services.gateway() == ("gateway", 7, "limit")  # type: ignore[comparison-overlap]
    assert services.gateway() is services.gateway()


@pytest.mark.parametrize(
    ("runtime", "service", "message"),
    [
        ("gateway", "studio", "on the control side; in a gateway use"),
        ("collector", "studio", "on the control side; in a collector use"),
        ("studio", "gateway", "are in a gateway; on the control side use"),
    ],
)
def test_the_wrong_runtimes_services_are_refused_by_name(
    sources: ServiceSources, runtime: Runtime, service: str, message: str
) -> None:
    """Also where the process has them for plugins of the other runtime."""
    with pytest.raises(ServiceUnavailable, match=message):
        getattr(sources.services_of(7, "limit", runtime), service)()


def test_each_runtime_has_its_own_services(sources: ServiceSources) -> None:
    """A collector has the gateway's where it has a control API to ask."""
    assert sources.services_of(7, "limit", "studio").studio() == ("studio", 7, "limit")  # type: ignore[comparison-overlap]
    assert sources.services_of(7, "a", "collector").gateway() == ("gateway", 7, "a")  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("runtime", "use", "message"),
    [
        ("gateway", lambda services: services.kv.read, "no kv for plugins"),
        ("gateway", lambda services: services.kv.list, "no kv for plugins"),
        ("gateway", lambda services: services.messages.publish, "no messages for plugins"),
        ("gateway", lambda services: services.http.get, "no http for plugins"),
        ("gateway", lambda services: services.gateway(), "offers no gateway services"),
        ("studio", lambda services: services.studio(), "set control.enabled"),
        ("collector", lambda services: services.gateway(), "set control.url"),
    ],
)
def test_what_a_process_has_not_got_says_so_when_it_is_used(
    runtime: Runtime, use: Callable[[Services], Any], message: str
) -> None:
    """By name, with the remedy; the plugin is loaded all the same."""
    services = bare_services(1, "a", runtime)
    with pytest.raises(ServiceUnavailable, match=message):
        use(services)


async def test_released_services_hold_nothing_any_more(sources: ServiceSources) -> None:
    """A plugin that was shut down is called no more; its next life is; services of others' making are left alone."""
    heard: list[str] = []

    def subscriber(name: str) -> Callable[[Message], Any]:
        async def hear(_: Message) -> None:
            heard.append(name)

        return hear

    old, new = sources.services_of(7, "a", "gateway"), sources.services_of(7, "a", "gateway")
    await old.messages.subscribe("t", subscriber("old"))
    await new.messages.subscribe("t", subscriber("new"))
    release(old)
    release(old)
    release(bare_services(1, "a", "gateway"))
    release(object())
    await new.messages.publish("t", b"")
    assert sources.messages is not None
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sources.messages.run())
        await until(lambda: heard)
        running.cancel()
    assert heard == ["new"]
