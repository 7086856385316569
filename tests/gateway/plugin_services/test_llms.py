"""LLMs: all that are configured, from memory."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.sdk.errors import NotFound, ServiceError
from tests.gateway.plugin_services.making import Worker


async def test_they_cost_no_question(worker: Worker) -> None:
    """Described whole, also those that are not active."""
    first = await worker.llm("a", metadata={"m": 1}, api_key="sk-secret-key")
    second = await worker.llm("b", is_active=False)
    found = await worker.gateway().get_llm(first)
    assert (found.slug, found.metadata, found.has_api_key) == ("a", {"m": 1}, True)
    assert "sk-secret-key" not in repr(found)
    assert not (await worker.gateway().get_llm(second)).is_active
    assert worker.queries == 0


@pytest.mark.parametrize("llm_id", [0, -1, 999, "1", None, []])
async def test_others_are_not_found(worker: Worker, llm_id: Any) -> None:
    """Whatever a plugin takes for an id."""
    with pytest.raises(NotFound):
        await worker.gateway().get_llm(llm_id)


async def test_lists_have_pages_and_filters(worker: Worker) -> None:
    """By id, of one vendor, active or not."""
    for slug, vendor in (("a", "openai"), ("b", "anthropic"), ("c", "openai")):
        await worker.llm(slug, vendor=vendor, is_active=slug != "c")
    services = worker.gateway()
    assert [llm.slug for llm in await services.list_llms()] == ["a", "b"]
    assert [llm.slug for llm in await services.list_llms(vendor="openai", is_active=None)] == ["a", "c"]
    assert [llm.slug for llm in await services.list_llms(2, 1, is_active=None)] == ["b"]
    assert await services.count_llms(vendor="openai") == 1
    assert await services.count_llms(is_active=None) == 3


@pytest.mark.parametrize(("page", "limit"), [(0, 10), (1, 0), (1, 1001), ("1", 1), (None, None)])
async def test_pages_that_cannot_be_are_refused(worker: Worker, page: Any, limit: Any) -> None:
    """As a service error."""
    with pytest.raises(ServiceError):
        await worker.gateway().list_llms(page, limit)
