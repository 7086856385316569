"""Questions to the control database: bounded, translated, asked once by many, remembered for as long as they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.control.errors import ControlDatabaseError, InvalidError, NotFoundError
from gateway.plugin_services.asking import Asking, Remembered
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable
from sluice.secrets import SecretError


def failing(error: Exception) -> Callable[[], Awaitable[int]]:
    """A question that ends so."""

    async def ask() -> int:
        await asyncio.sleep(0)
        raise error

    return ask


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFoundError("app", 7), NotFound),
        (InvalidError("limit", "must be less"), ServiceError),
        (ControlDatabaseError("postgresql://user@host"), ServiceUnavailable),
        (SecretError("no key"), ServiceUnavailable),
    ],
)
async def test_errors_become_those_of_services(error: Exception, kind: type[ServiceError]) -> None:
    """Plugins know no control database: its address is none of theirs."""
    with pytest.raises(ServiceError) as caught:
        await Asking()("get_app", failing(error))
    assert type(caught.value) is kind
    assert "user@host" not in str(caught.value)


async def test_a_database_that_hangs_costs_a_bound() -> None:
    """And then it is not available, by name."""
    with pytest.raises(ServiceUnavailable, match="get_app"):
        await Asking(0.02)("get_app", lambda: asyncio.sleep(60))


async def test_plugins_leave_connections_to_others() -> None:
    """Of a flood of questions only a few are under way."""
    asking, under_way, most = Asking(), 0, 0

    async def question() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1

    await asyncio.gather(*(asking("q", question) for _ in range(50)))
    assert most == 4


class Loads:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    async def __call__(self) -> int:
        await asyncio.sleep(0.001)
        self.count += 1
        if self.error:
            raise self.error
        return self.count


async def test_many_who_ask_the_same_ask_once() -> None:
    """Whoever comes while it is asked waits for the answer."""
    remembered, load, version = Remembered[str, int](), Loads(), object()
    assert await asyncio.gather(*(remembered.get("k", version, load) for _ in range(20))) == [1] * 20


async def test_many_who_ask_a_database_that_hangs_wait_once() -> None:
    """They share the failure: the hundredth does not wait a hundred times as long as the first."""
    asking, remembered, version, questions = Asking(0.3), Remembered[str, int](), object(), 0

    async def hang() -> int:
        nonlocal questions
        questions += 1
        await asyncio.Event().wait()
        return 0

    began = asyncio.get_running_loop().time()
    asked = (remembered.get("k", version, lambda: asking("get_app", hang)) for _ in range(100))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ServiceUnavailable}
    assert questions == 1
    assert asyncio.get_running_loop().time() - began < 15, "half of what they would wait one after the other"


async def test_nobody_waits_for_what_another_asks() -> None:
    """However many questions hang, one for something else is answered."""
    remembered, version, load = Remembered[int, int](), object(), Loads()

    async def hang() -> int:
        await asyncio.Event().wait()
        return 0

    async with asyncio.TaskGroup() as tasks:
        hanging = [tasks.create_task(remembered.get(key, version, hang)) for key in range(1000)]
        assert await asyncio.wait_for(remembered.get(1000, version, load), 5) == 1
        for task in hanging:
            task.cancel()
    assert remembered._under_way == {}


async def test_another_version_is_asked_anew() -> None:
    """The very same object, not an equal one: a change makes another."""
    remembered, load = Remembered[str, int](), Loads()
    first, second = [1], [1]
    assert [await remembered.get("k", version, load) for version in (first, first, second)] == [1, 1, 2]


async def test_what_is_old_is_asked_anew() -> None:
    """After its seconds."""
    remembered, load, version = Remembered[str, int](0.02), Loads(), object()
    await remembered.get("k", version, load)
    await asyncio.sleep(0.03)
    assert await remembered.get("k", version, load) == 2


async def test_an_error_is_not_remembered() -> None:
    """The next one asks again."""
    remembered, load, version = Remembered[str, int](), Loads(), object()
    load.error = ServiceUnavailable("away")
    with pytest.raises(ServiceUnavailable):
        await remembered.get("k", version, load)
    load.error = None
    assert await remembered.get("k", version, load) == 2


async def test_one_who_gives_up_takes_nobody_with_him() -> None:
    """A plugin's deadline cancels its own question: who waits for the same asks it then."""
    remembered, version, begun = Remembered[str, int](), object(), asyncio.Event()

    async def hang() -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(remembered.get("k", version, hang))
        await begun.wait()
        second = tasks.create_task(remembered.get("k", version, Loads()))
        await asyncio.sleep(0)
        first.cancel()
    assert second.result() == 1


async def test_the_least_used_are_forgotten() -> None:
    """What is remembered is bounded, whoever asks for whatever."""
    remembered, load, version = Remembered[int, int](max_entries=10), Loads(), object()
    for key in range(100):
        await remembered.get(key, version, load)
        await remembered.get(0, version, load)
    assert len(remembered._entries) == 10
    assert load.count == 100
