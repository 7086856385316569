"""Records of an unknown schema wait while it is looked for; they are released or given up, each once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from collectors.deliveries import Delivery, Poison
from collectors.schema_wait import SchemaWait, unknown_schema
from collectors.tracker import Lane
from schemas.avro_schema import event_schema, schema_fingerprint
from schemas.codec import SchemaBook
from sluice.eventlog.interface import EventLogError
from tests.collectors.events import make_record, numbered, partition_of
from tests.collectors.fakes import until
from tests.collectors.frames import delivery_of
from tests.collectors.virtual_time import virtual_time

WAIT_SECONDS = 60.0


def schema_of(name: str) -> tuple[bytes, bytes]:
    """Fingerprint and text of today's schema with one more field."""
    schema = json.loads(json.dumps(event_schema("analytics")))
    schema["fields"].append({"name": name, "type": "long", "default": 0})
    return schema_fingerprint(schema), json.dumps(schema).encode()


def delivery(count: int) -> Delivery:
    """So many records on one lane."""
    return delivery_of(numbered(make_record() for _ in range(count)))


class Bench:
    """A wait over published texts, and what became of the records."""

    def __init__(self) -> None:
        self.book = SchemaBook()
        self.texts: list[bytes] = []
        self.errors: list[Exception] = []
        self.looks = self.hangs = 0
        self.released: list[Delivery] = []
        self.lost: list[Poison] = []
        self.clock = asyncio.get_running_loop().time
        self.wait = SchemaWait(self.book, self.read, WAIT_SECONDS, self.clock)

    async def read(self) -> Sequence[bytes]:
        self.looks += 1
        if self.errors:
            raise self.errors.pop(0)
        if self.looks <= self.hangs:
            await asyncio.Event().wait()
        return list(self.texts)

    async def loses(self, times: int, within_seconds: float) -> None:
        await until(lambda: len(self.lost) == times, within_seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.wait.run(self.released.append, self.lost.append))
            yield
            task.cancel()


@virtual_time
async def test_nothing_is_looked_for_while_nothing_is_held() -> None:
    """The schema topic is not read for nothing."""
    bench = Bench()
    async with bench.running():
        await asyncio.sleep(3_600)
    assert bench.looks == 0


@virtual_time
async def test_records_are_released_together_and_in_order() -> None:
    """Once the schema is published, within a second or two, those that followed behind the first ones."""
    bench = Bench()
    fingerprint, text = schema_of("new")
    first, second = delivery(2), delivery(3)
    async with bench.running():
        bench.wait.hold(fingerprint, first)
        await asyncio.sleep(10)
        bench.wait.hold(fingerprint, second)
        bench.texts.append(text)
        began = bench.clock()
        await until(lambda: bench.released)
        assert bench.clock() - began <= 2.0
        await asyncio.sleep(300)
    [released] = bench.released
    assert released.records == first.records + second.records
    assert bench.lost == []
    assert fingerprint in bench.book


@virtual_time
async def test_one_look_finds_what_is_there_already() -> None:
    """A schema that is published but not known yet costs one look; then nobody looks any more."""
    bench = Bench()
    fingerprint, text = schema_of("new")
    bench.texts.append(text)
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(1))
        await until(lambda: bench.released)
        await asyncio.sleep(60)
    assert bench.looks == 1


@virtual_time
async def test_what_nobody_publishes_is_given_up_in_time() -> None:
    """After the wait, as poison that names the schema; not a second before, and once."""
    bench = Bench()
    fingerprint, _ = schema_of("never")
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(2))
        await asyncio.sleep(WAIT_SECONDS - 1.5)
        assert bench.lost == []
        await until(lambda: bench.lost, seconds=4.0)
        await asyncio.sleep(30)
    [poison] = bench.lost
    assert [str(error) for error in poison.errors] == [
        f"unknown_schema: no schema is published for {fingerprint.hex()}"
    ] * 2
    assert bench.released == []


@virtual_time
async def test_each_schema_has_its_own_wait() -> None:
    """One that is given up takes no other along, and one that is found does not prolong another's wait."""
    bench = Bench()
    (early, _), (late, text) = schema_of("early"), schema_of("late")
    async with bench.running():
        bench.wait.hold(early, delivery(1))
        await asyncio.sleep(50)
        bench.wait.hold(late, delivery(2))
        await until(lambda: bench.lost, seconds=13.0)
        assert bench.released == []
        bench.texts.append(text)
        await until(lambda: bench.released, seconds=3.0)
    assert [len(poison) for poison in bench.lost] == [1]
    assert [len(released) for released in bench.released] == [2]


@virtual_time
async def test_nothing_is_given_up_without_an_answer() -> None:
    """While the log is away its schemas may be there: the wait goes on past its end until somebody answered."""
    bench = Bench()
    fingerprint, text = schema_of("there")
    bench.errors.extend(EventLogError("away") for _ in range(200))
    bench.texts.append(text)
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(1))
        await until(lambda: bench.released)
    assert bench.lost == []
    assert bench.looks == 201


@virtual_time
async def test_what_was_given_up_is_looked_for_only_once_more() -> None:
    """Records that follow a schema given up do not hold their partition up for the whole wait again."""
    bench = Bench()
    fingerprint, _ = schema_of("never")
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(1))
        await until(lambda: bench.lost)
        for number in range(2, 10):
            bench.wait.hold(fingerprint, delivery(1))
            looks = bench.looks
            await bench.loses(number, within_seconds=3.0)
            assert bench.looks > looks


@virtual_time
async def test_a_schema_that_keeps_coming_is_not_waited_for_again() -> None:
    """A partition full of one schema nobody publishes goes on: no batch of it waits for minutes again and again."""
    bench = Bench()
    fingerprint, _ = schema_of("never")
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(1))
        await until(lambda: bench.lost)
        for number in range(2, 200):
            bench.wait.hold(fingerprint, delivery(1))
            await bench.loses(number, within_seconds=5.0)


@pytest.mark.parametrize("others_come", [False, True])
@virtual_time
async def test_a_schema_given_up_long_ago_is_waited_for_as_any_other(*, others_come: bool) -> None:
    """Once it has not come for a while its whole wait begins anew, whatever came meanwhile: it may be published now."""
    bench = Bench()
    fingerprint, text = schema_of("late")
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(1))
        await until(lambda: bench.lost)
        await asyncio.sleep(2 * WAIT_SECONDS)
        if others_come:
            other, _ = schema_of("other")
            bench.wait.hold(other, delivery(1))
            await until(lambda: len(bench.lost) == 2)
        bench.wait.hold(fingerprint, delivery(1))
        await asyncio.sleep(WAIT_SECONDS / 2)
        bench.texts.append(text)
        await until(lambda: bench.released, seconds=3.0)
    assert len(bench.lost) == 1 + others_come


@virtual_time
async def test_a_read_that_hangs_is_begun_anew() -> None:
    """A connection that fell silent holds records only until the read's bound; it gives nothing up meanwhile."""
    bench = Bench()
    fingerprint, text = schema_of("there")
    bench.texts.append(text)
    bench.hangs = 2
    async with bench.running():
        bench.wait.hold(fingerprint, delivery(1))
        await until(lambda: bench.released, seconds=100.0)
    assert (bench.lost, bench.looks) == ([], 3)


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"name":7}', b'"text"', b"[" * 100_000, b'{"name":"Budget","fields":1}'],
)
@virtual_time
async def test_a_published_schema_that_is_none_hides_no_other(junk: bytes) -> None:
    """Whatever somebody wrote into the topic, what stands behind it is learnt."""
    bench = Bench()
    fingerprint, text = schema_of("good")
    bench.texts += [junk, text, junk]
    assert await bench.wait.look()
    assert fingerprint in bench.book


def test_poison_of_an_unknown_schema_keeps_every_record() -> None:
    """Each record with its own lane, whatever the fingerprint holds; no records are no poison."""
    held = delivery(2)
    held.add_lane(numbered([make_record()]), Lane(partition_of(number=1)))
    poison = unknown_schema(b"\x00\xff" * 4, held)
    assert poison.delivery.records == held.records
    assert poison.delivery.lanes == held.lanes
    assert {error.reason for error in poison.errors} == {"unknown_schema"}
    assert poison.producers == [None] * 3
    assert len(unknown_schema(b"", Delivery())) == 0
