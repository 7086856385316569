"""``send_to_control``: checked against its bounds, durable in the host's queue, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.payloads.envelope import checked_payload, payload_record
from sluice.eventlog.interface import EventLogError
from sluice.sdk.errors import ServiceUnavailable

if TYPE_CHECKING:
    from gateway.payloads.queue import PayloadQueue
    from gateway.telemetry import GatewayMetrics
    from schemas.topics import Topics


class PayloadSender:
    """One worker's, for all its plugins."""

    def __init__(
        self,
        queue: PayloadQueue,
        topics: Topics,
        metrics: GatewayMetrics,
        *,
        edge_id: str,
        namespace: str,
        max_payload_bytes: int,
    ) -> None:
        self._queue = queue
        self._topic = topics.edge_payload
        self._metrics = metrics
        self._edge_id = edge_id
        self._namespace = namespace
        self._max_payload_bytes = max_payload_bytes

    async def send(
        self,
        plugin_id: int,
        plugin: str,
        payload: bytes,
        correlation_id: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Return when it is durable: how many payloads of this host wait, this one among them.

        Raises PayloadTooLarge, ServiceUnavailable where it cannot be written, ServiceError for what is no payload.
        """
        record = payload_record(
            self._topic,
            plugin_id,
            plugin,
            checked_payload(payload, self._max_payload_bytes),
            edge_id=self._edge_id,
            namespace=self._namespace,
            correlation_id=correlation_id,
            metadata=metadata,
        )
        try:
            await self._queue.append(plugin_id, record)
        except EventLogError as error:
            message = f"payload not sent: {error}; try again when some are delivered"
            raise ServiceUnavailable(message) from error
        self._metrics.payloads.add(1, plugin, "sent")
        return self._queue.waiting()
