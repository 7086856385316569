"""The exporter of a worker, as its settings want it; imported only where traces are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.tracing.exporter import Exporter
from gateway.tracing.receiver import Receiver
from sluice.settings import SettingsError

if TYPE_CHECKING:
    from gateway.telemetry import GatewayMetrics
    from gateway.tracing.settings import TracingSettings
    from sluice.eventlog.interface import Boot


def open_exporter(settings: TracingSettings, namespace: str, boot: Boot, metrics: GatewayMetrics) -> Exporter:
    """Opens no connection yet. Raises ``SettingsError`` where ``tracing.ca_file`` cannot be used."""
    resource = {
        "service.name": settings.service_name,
        "service.namespace": namespace,
        "service.instance.id": f"{boot.gateway_id}/{boot.worker}",
        "sluice.boot_id": boot.boot_id,
    }
    known = {name: value for name, value in resource.items() if value}
    try:
        receiver = Receiver(settings)
    except OSError as error:  # TLS errors are OSErrors
        problem = (
            f"ca_file: {settings.ca_file} cannot be used ({type(error).__name__}); name a PEM file of certificates"
        )
        raise SettingsError("tracing", [problem]) from error
    return Exporter(settings, receiver, metrics, known)
