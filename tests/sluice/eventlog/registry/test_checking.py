"""What the doctor says of a registry."""

from __future__ import annotations

from schemas.topics import Topics
from sluice.eventlog.registry.checking import find_registry_problems
from sluice.eventlog.registry.framing import Framing
from sluice.eventlog.settings import SchemaRegistrySettings
from tests.sluice.eventlog.registry.scripted import scripted_registry

TOPICS = Topics()


async def test_a_registry_that_serves_us_is_no_problem() -> None:
    """Empty, where writers may register; looking registers nothing."""
    async with scripted_registry() as registry:
        settings = SchemaRegistrySettings.model_validate(registry.settings())
        assert await find_registry_problems(settings, TOPICS) == []
        assert registry.texts == {}


async def test_what_nobody_registered_is_named_where_we_may_not() -> None:
    """Each subject, with what to do; none once they are there."""
    async with scripted_registry() as registry:
        settings = SchemaRegistrySettings.model_validate(registry.settings(auto_register=False))
        problems = await find_registry_problems(settings, TOPICS)
        assert [name for name in TOPICS.events() if not any(f"{name}-value" in each for each in problems)] == []
        await Framing(SchemaRegistrySettings.model_validate(registry.settings()), TOPICS, None).prepare()
        assert await find_registry_problems(settings, TOPICS) == []


async def test_a_registry_that_is_away_is_said_once() -> None:
    """Not once for each subject."""
    (problem,) = await find_registry_problems(SchemaRegistrySettings(url="http://localhost:1"), TOPICS)
    assert "check schema_registry.url" in problem
