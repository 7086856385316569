"""What a cluster tells of itself: its id, and the topics that it shows us."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from sluice.eventlog.kafka.config import connection_arguments, explain
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.settings import KafkaSettings


async def cluster_id(settings: KafkaSettings) -> str:
    """The same by whatever address the cluster is reached; empty where the broker tells none. Raises EventLogError."""
    return (await _ask(settings, "describe_cluster"))["cluster_id"] or ""


async def topics_shown(settings: KafkaSettings) -> set[str]:
    """The names of all topics that we may describe; none is made by asking. Raises EventLogError."""
    return set(await _ask(settings, "list_topics"))


async def _ask(settings: KafkaSettings, question: str) -> Any:
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    try:
        await start(admin)
        return await getattr(admin, question)()
    except (KafkaError, OSError, TimeoutError) as error:
        raise await explain(error, settings, "Describe") from error
    finally:
        await admin.close()
