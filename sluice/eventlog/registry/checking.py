"""What ``sluice doctor`` should say of the schema registry; nothing is registered by looking."""

from __future__ import annotations

from schemas.avro_schema import schema_json
from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.registry.client import Registry
from sluice.eventlog.registry.subjects import subject_name
from sluice.eventlog.settings import SchemaRegistrySettings


async def find_registry_problems(settings: SchemaRegistrySettings, topics: Topics) -> list[str]:
    """Whether it answers, and has our schemas where we may not register them; empty where all is well."""
    registry = Registry(settings)
    problems = []
    for topic, kind in topics.events().items():
        text = schema_json(kind)
        subject = subject_name(settings.subject_names, topic, text)
        try:
            found = await registry.look_up(subject, text)
        except EventLogError as error:
            return [str(error)]
        if found is None and not settings.auto_register:
            remedy = "register the newest file of schemas/avro there, or set schema_registry.auto_register"
            problems.append(f"schema registry at {registry.url} has not our schema under {subject}: {remedy}")
    return problems
