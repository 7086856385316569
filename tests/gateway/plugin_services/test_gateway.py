"""The services of one plugin: complete, in its own name, and never waiting on the loop."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gateway.payloads.envelope import payload_of, plugin_id_of
from gateway.plugin_services.gateway import PluginGateway
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.places import all_journals
from sluice.sdk.errors import PayloadTooLarge, ServiceError
from sluice.sdk.services import GatewayServices
from tests.gateway.plugin_services.making import Worker


def test_every_method_is_there_with_its_parameters() -> None:
    """What the sdk promises, name by name, default by default."""
    for name, promised in inspect.getmembers(GatewayServices, inspect.isfunction):
        if not name.startswith("_"):
            own = inspect.signature(getattr(PluginGateway, name))
            assert own.parameters.keys() == inspect.signature(promised).parameters.keys(), name
            for parameter in own.parameters.values():
                assert parameter.default == inspect.signature(promised).parameters[parameter.name].default, name


def sent(worker: Worker) -> list[Any]:
    """What lies in the host's queue."""
    found: list[Any] = []
    for directory in all_journals(worker.queue.root):
        reader = JournalReader(directory)
        found += reader.read(1000)
        reader.close()
    return found


async def test_a_payload_is_sent_in_the_plugin_s_name(worker: Worker) -> None:
    """Each under its own id; the count is of all together."""
    assert await worker.gateway(7, "p7").send_to_control(b"one", "c", {"k": "v"}) == 1
    assert await worker.gateway(8, "p8").send_to_control_json({"a": [1, "é"]}) == 2
    found = {plugin_id_of(record): payload_of(record) for record in sent(worker)}
    assert (found[7].payload, found[7].correlation_id, found[7].metadata) == (b"one", "c", {"k": "v"})
    assert found[8].payload == '{"a":[1,"é"]}'.encode()


@pytest.mark.parametrize("value", [object(), {1, 2}, 1 << 80, "\ud800", {"a": b"x"}])
async def test_what_is_no_json_is_refused(worker: Worker, value: Any) -> None:
    """As a service error, and nothing is sent."""
    with pytest.raises(ServiceError, match="JSON"):
        await worker.gateway().send_to_control_json(value)
    assert sent(worker) == []


async def test_json_has_the_bound_of_payloads(worker: Worker) -> None:
    """What it is when it is written counts."""
    with pytest.raises(PayloadTooLarge, match="max_control_payload_bytes"):
        await worker.gateway().send_to_control_json("x" * (1 << 20))


async def test_a_licence_is_for_who_asks(worker: Worker) -> None:
    """Valid for ever: nothing here depends on one."""
    found = await worker.gateway().get_license_info()
    assert (found.license_valid, found.days_remaining, found.license_type) == (True, -1, "community")
