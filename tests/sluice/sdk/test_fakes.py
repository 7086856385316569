"""Tests of ``sluice.sdk.fakes``; what kv and messages promise is in ``tests/contracts/test_plugin_services.py``."""

from __future__ import annotations

import inspect

import httpx
import pytest

from sluice.sdk import (
    GatewayServices,
    KeyValue,
    Logger,
    Message,
    Messages,
    Services,
    ServiceUnavailable,
    StudioServices,
)
from sluice.sdk.fake_gateway import Known, RecordingGateway
from sluice.sdk.fakes import MemoryKeyValue, MemoryMessages, RecordingLogger
from sluice.sdk.testing import LogEntry, RecordingServices

SERVICES: Services = RecordingServices()
"""mypy holds that the fakes keep the Protocols; the tests below, that they behave."""


@pytest.mark.parametrize(
    ("protocol", "fake"),
    [
        (Logger, RecordingLogger),
        (KeyValue, MemoryKeyValue),
        (Messages, MemoryMessages),
        (GatewayServices, RecordingGateway),
        (StudioServices, RecordingGateway),
        (Services, RecordingServices),
    ],
)
def test_the_fakes_offer_what_the_protocols_do(protocol: type, fake: type) -> None:
    """Method by method, with the same arguments."""
    instance = RecordingGateway(Known(), None) if fake is RecordingGateway else fake()
    for name, member in vars(protocol).items():
        if name.startswith("_"):
            continue
        if inspect.isfunction(member):
            own = inspect.signature(getattr(fake, name)).parameters
            wanted = list(inspect.signature(member).parameters)
            assert list(own)[: len(wanted)] == wanted, name
        else:
            assert hasattr(instance, name), name


def test_services_are_those_of_the_runtime() -> None:
    """Asking for the others says where they are."""
    gateway, studio = RecordingServices(), RecordingServices(runtime="studio")
    assert RecordingServices(runtime="collector").gateway() is not None
    assert studio.studio() is not None
    with pytest.raises(ServiceUnavailable, match=r"ctx\.services\.studio"):
        studio.gateway()
    with pytest.raises(ServiceUnavailable, match=r"ctx\.services\.gateway"):
        gateway.studio()


async def test_http_goes_to_the_test_and_no_further() -> None:
    """A function or a coroutine answers; what was asked is kept. Without one nothing can be reached."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"path": request.url.path})

    async def answer_later(request: httpx.Request) -> httpx.Response:
        return answer(request)

    for each in (answer, answer_later):
        services = RecordingServices(answer=each)
        assert (await services.http.get("https://vendor.example/a")).json() == {"path": "/a"}
        assert [str(request.url) for request in services.http_requests] == ["https://vendor.example/a"]
    with pytest.raises(httpx.ConnectError, match="nobody answers GET"):
        await RecordingServices().http.get("https://vendor.example/a")


async def test_a_test_can_let_a_message_arrive() -> None:
    """As from another gateway."""
    services, heard = RecordingServices(), list[Message]()

    async def hear(message: Message) -> None:
        heard.append(message)

    await services.messages.subscribe("a", hear)
    await services.messages.deliver(Message("m-1", "a", b"1", "plugin:7@elsewhere", "down"))
    assert heard == services.messages.published
    assert heard[0].origin == "plugin:7@elsewhere"


def test_the_log_remembers_its_levels() -> None:
    """In order, with what varies."""
    logger = RecordingLogger()
    for level in ("debug", "info", "warning", "error"):
        getattr(logger, level)("something happened", at=level)
    assert logger.entries[0] == LogEntry("debug", "something happened", {"at": "debug"})
    assert [entry.level for entry in logger.entries] == ["debug", "info", "warning", "error"]
