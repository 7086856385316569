"""The exporter of a worker, from its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.telemetry import GatewayMetrics
from gateway.tracing.catalogue import RESOURCE
from gateway.tracing.opening import open_exporter
from gateway.tracing.settings import TracingSettings
from sluice.eventlog.interface import Boot
from sluice.settings import SettingsError
from tests.gateway.tracing.making import a_finished
from tests.gateway.tracing.otlp_receiver import OtlpReceiver, attributes_of

BOOT = Boot("gateway-1", "w1", "boot-1")


async def test_a_worker_says_who_it_is() -> None:
    """Which service, which gateway, which worker, which boot; as the catalogue has it."""
    async with OtlpReceiver().listening() as receiver:
        settings = TracingSettings(endpoint=receiver.url, service_name="edge")
        exporter = open_exporter(settings, "emea", BOOT, GatewayMetrics())
        exporter.offer(a_finished())
        await exporter.close()
    [(_, request)] = receiver.requests
    assert attributes_of(request.resource_spans[0].resource) == {
        "service.name": "edge", "service.namespace": "emea", "service.instance.id": "gateway-1/w1",
        "sluice.boot_id": "boot-1",
    }  # fmt: skip
    assert [each.name for each in RESOURCE] == [
        "service.name", "service.namespace", "service.instance.id", "sluice.boot_id",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path, content: str | None) -> None:
    """By their key, with what to do; not by a traceback at the first trace."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"tracing: ca_file: .*ca\.pem cannot be used .*name a PEM file"):
        open_exporter(TracingSettings(endpoint="https://c/", ca_file=str(file)), "", BOOT, GatewayMetrics())
