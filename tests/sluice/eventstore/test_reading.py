"""What both stores do alike, on a store that remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.events import Kind
from sluice.eventstore.figures import BY_CURRENCY, BY_DAY, BY_LLM, BY_MODEL, BY_OUTCOME, Group, Grouping
from sluice.eventstore.queries import Document, EventPage, EventStoreError
from sluice.eventstore.reading import ReadingStore
from sluice.eventstore.scope import Scope

EXCHANGE_ID = "01900000-0000-7000-8000-000000000001"


class Remembering(ReadingStore):
    """Has nothing, and knows the questions."""

    def __init__(self, time_limit_seconds: float = 5.0, found: Sequence[Document] = ()) -> None:
        super().__init__(time_limit_seconds)
        self.asked: list[Any] = []
        self.found = list(found)
        self.is_hanging = False

    async def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self.is_hanging:
            await asyncio.Event().wait()

    async def _find(self, kind: Kind, exchange_ids: list[str]) -> list[Document]:
        await self._note(kind, exchange_ids)
        return self.found

    async def _page(self, scope: Scope, offset: int, limit: int) -> EventPage:
        await self._note(scope, offset, limit)
        return EventPage([], 0)

    async def _groups(self, scope: Scope, groupings: Sequence[Grouping]) -> list[list[Group]]:
        await self._note(scope, groupings)
        return [[] for _ in groupings]


async def test_each_answer_takes_one_question() -> None:
    """All groups of an answer are asked for at once, so that they can be of one moment."""
    store = Remembering()
    await store.summary(7, 0, 1_000)
    await store.costs(7, 0, 1_000)
    await store.llm_stats(3)
    await store.analytics_events(7, 3, 10)
    scope = Scope.of_app(7, 0, 1_000)
    assert store.asked == [
        (scope, (BY_OUTCOME, BY_MODEL)),
        (scope, (BY_DAY, BY_LLM, BY_MODEL)),
        (Scope(llm_id=3), (BY_CURRENCY,)),
        (Scope(app_id=7), 20, 10),
    ]


async def test_what_nobody_can_answer_is_not_asked() -> None:
    """Ids beyond 64 bits, empty ranges, texts that are no ids."""
    store = Remembering()
    await store.summary(2**63, 0, 1_000)
    await store.costs(7, 1_000, 0)
    await store.llm_stats(-(2**64))
    await store.analytics_events(7, 1, 10, 5_000, 5_999)
    assert await store.documents("budget", ["", "a\0", "\udfff", "x" * 201][1:]) == []
    assert await store.documents("budget", []) == []
    assert store.asked == []


@pytest.mark.parametrize("suffix", ["", "-p", "-a", "-b", "-b.correction"])
async def test_an_event_s_id_leads_to_its_exchange(suffix: str) -> None:
    """All kinds are asked for by the exchange."""
    store = Remembering()
    await store.exchange(EXCHANGE_ID + suffix)
    await store.bodies(EXCHANGE_ID + suffix)
    kinds = ("proxy_log", "analytics", "budget", "proxy_log")
    assert store.asked == [(kind, [EXCHANGE_ID]) for kind in kinds]


async def test_a_document_with_gaps_has_bodies_with_gaps() -> None:
    """Somebody else's document in the same index is shown as far as it goes."""
    bodies = await Remembering(found=[{"exchange_id": "x", "path": "/v1"}]).bodies("x")
    assert bodies is not None
    assert (bodies.path, bodies.method, bodies.request_body, bodies.response_body_truncated) == ("/v1", "", None, False)


async def test_every_question_has_the_time_limit() -> None:
    """It is given up, with a remedy; a cancellation from outside stays one."""
    store = Remembering(time_limit_seconds=0.01)
    store.is_hanging = True
    questions = [
        store.summary(7, 0, 1_000),
        store.costs(7, 0, 1_000),
        store.llm_stats(3),
        store.analytics_events(7, 1, 1),
        store.documents("budget", ["x"]),
        store.exchange("x"),
        store.bodies("x"),
    ]
    for question in questions:
        with pytest.raises(EventStoreError, match=r"within 0\.01 s; ask for a shorter range"):
            await question
    patient = Remembering(time_limit_seconds=60)
    patient.is_hanging = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await patient.summary(7, 0, 1_000)
