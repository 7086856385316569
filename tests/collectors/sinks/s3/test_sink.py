"""The S3 sink on a real S3-compatible server: names, exactness, and everything that can befall a request."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import polars as pl
import pytest

from collectors.deliveries import Frame
from collectors.entries import S3Entry
from collectors.errors import Halt, Retryable
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.interface import Verdict
from collectors.sinks.registry import SinkOpening
from collectors.sinks.s3.sink import S3Sink, open_sink
from schemas.events import KINDS
from sluice.eventlog.interface import EventLogError, StoredRecord
from tests.collectors.sinks.s3.benches import BucketBench
from tests.contracts.sink_laws import LogPart
from tests.s3_server import Fault, S3Server
from tests.servers import Kafka

HOUR_MS = 3_600_000


@pytest.fixture
async def bench(s3_server: S3Server) -> AsyncIterator[BucketBench]:
    """A bucket."""
    made = BucketBench(s3_server)
    await made.open()
    yield made
    await made.door.close()


@pytest.fixture
async def sink(bench: BucketBench) -> AsyncIterator[S3Sink]:
    """A sink that has started."""
    made = bench.sink()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def log() -> LogPart:
    """Where the events come from."""
    return LogPart()


def put_off(frame: Frame, hours: Callable[[int], int]) -> Frame:
    """The log appended these so many hours later, by their positions."""
    for at, record in enumerate(frame.delivery.records):
        cast("StoredRecord", record).timestamp += hours(at) * HOUR_MS
    return frame


async def test_an_object_for_each_kind_and_write(bench: BucketBench, sink: S3Sink, log: LogPart) -> None:
    """Under its hour, named by its offsets, with what it is beside it."""
    for kind in KINDS:
        assert await sink.write(sink.prepare(log.frame(kind)).documents) == Verdict()
    keys = sorted(await bench.objects())
    day = "year=2025/month=11/day=24/hour=16"
    assert keys == [f"{kind}/{day}/sluice.{kind.replace('_', '-')}.v1-0-0-{100:020}.jsonl.gz" for kind in sorted(KINDS)]
    head = bench.server.client.head_object(Bucket=bench.name, Key=keys[0])
    assert (head["ContentType"], head["Metadata"]["events"], head["Metadata"]["last-offset"]) == (
        "application/gzip", "3", "102",
    )  # fmt: skip


async def test_parquet_below_a_prefix(bench: BucketBench, log: LogPart) -> None:
    """What a data lake reads."""
    sink = bench.sink(prefix="lake/", format="parquet", compression="zstd")
    frame = log.frame("budget", 4)
    assert await sink.write(sink.prepare(frame).documents) == Verdict()
    await sink.close()
    [(key, content)] = (await bench.objects()).items()
    assert key.startswith("lake/budget/year=2025/")
    assert pl.read_parquet(content)["event_id"].to_list() == frame.rows["event_id"].to_list()


async def test_encryption_and_storage_class_are_asked_for(bench: BucketBench, log: LogPart) -> None:
    """With each object."""
    sink = bench.sink(server_side_encryption="aws:kms", sse_kms_key_id="alias/mine", storage_class="STANDARD_IA")
    assert await sink.write(sink.prepare(log.frame()).documents) == Verdict()
    await sink.close()
    [key] = await bench.objects()
    head = bench.server.client.head_object(Bucket=bench.name, Key=key)
    assert (head["ServerSideEncryption"], head["StorageClass"]) == ("aws:kms", "STANDARD_IA")
    assert head["SSEKMSKeyId"].endswith("alias/mine")


async def test_an_object_has_records_of_one_hour(bench: BucketBench, sink: S3Sink, log: LogPart) -> None:
    """The hour in which the log appended them: a redelivery is then found by listing from that hour on."""
    frame = log.frame(count=6)
    put_off(frame, lambda at: at // 2)
    assert await sink.write(sink.prepare(frame).documents) == Verdict()
    assert [key.split("/")[4] for key in sorted(await bench.objects())] == ["hour=16", "hour=17", "hour=18"]
    after = bench.sink()
    for start in (5, 3, 0):
        again = log.redelivered(frame.slice(start, 6))
        assert await after.write(after.prepare(again).documents) == Verdict(duplicates=6 - start)
    await after.close()
    assert await bench.ids() == frame.rows["event_id"].to_list()


async def test_old_objects_are_not_listed(bench: BucketBench, sink: S3Sink, log: LogPart) -> None:
    """However many there are: a year's objects cost a restart nothing."""
    days = iter(range(3))
    frames = [put_off(log.frame(count=1), lambda _: next(days) * 24) for _ in range(3)]
    for frame in frames:
        assert await sink.write(sink.prepare(frame).documents) == Verdict()
    after, seen = bench.sink(), len(bench.door.requests)
    last = log.redelivered(frames[-1])
    assert await after.write(after.prepare(last).documents) == Verdict(duplicates=1)
    await after.close()
    assert [request.split(" ")[0] for request in bench.door.requests[seen:]] == ["GET", "HEAD"]


async def test_large_objects_are_cut(bench: BucketBench, log: LogPart) -> None:
    """By the bytes of their events; one that is larger is an object of its own."""
    sink = bench.sink(max_object_bytes=1_000)
    frame = log.frame(count=10)
    assert await sink.write(sink.prepare(frame).documents) == Verdict()
    await sink.close()
    assert 3 <= len(await bench.objects()) <= 10
    assert await bench.ids() == frame.rows["event_id"].to_list()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(503, "SlowDown", headers={"retry-after": "3"}), Retryable),
        (Fault(500, "InternalError"), Retryable),
        (Fault(403, "AccessDenied"), Halt),
        (Fault(404, "NoSuchBucket"), Halt),
        (Fault(400, "ExpiredToken"), Halt),
    ],
)
async def test_what_is_refused_is_named_and_written_later(
    bench: BucketBench, sink: S3Sink, log: LogPart, fault: Fault, kind: type[Exception]
) -> None:
    """Nothing is acknowledged; when the cause is gone the same records are there once."""
    frame = log.frame(count=4)
    documents = sink.prepare(frame).documents
    bench.door.faults.append(fault)
    verdict = await sink.write(documents)
    assert (verdict.retry, type(verdict.cause)) == ([0, 1, 2, 3], kind)
    if isinstance(verdict.cause, Retryable) and fault.code == "SlowDown":
        assert (verdict.cause.throttled, verdict.cause.retry_after_seconds) == (True, 3)
    assert await sink.write(documents) == Verdict()
    assert await bench.ids() == frame.rows["event_id"].to_list()


@pytest.mark.parametrize("more", [False, True])
async def test_an_answer_that_was_lost(bench: BucketBench, sink: S3Sink, log: LogPart, more: bool) -> None:
    """The object is there although the answer said no: it is not put again under another range."""
    first, second = log.frame(count=4), log.frame(count=3)
    bench.door.faults.append(Fault(500, "InternalError", is_done=True))
    documents = sink.prepare(first).documents
    assert (await sink.write(documents)).retry == [0, 1, 2, 3]
    if more:
        documents = [*documents, *sink.prepare(second).documents]
    verdict = await sink.write(documents)
    assert not verdict.retry
    expected = [*first.rows["event_id"], *(second.rows["event_id"] if more else [])]
    assert await bench.ids() == expected


async def test_an_answer_that_comes_too_late(bench: BucketBench, log: LogPart) -> None:
    """The server is at it while we give up and look: the same object is put again, and found there."""
    sink = bench.sink(timeout=2)
    frame, more = log.frame(count=4), log.frame(count=2)
    bench.door.faults.append(Fault(500, "InternalError", is_done=False, seconds=4.0))
    documents = sink.prepare(frame).documents
    verdict = await sink.write(documents)
    assert verdict.retry == [0, 1, 2, 3]
    assert isinstance(verdict.cause, Retryable)
    put = next(iter(sink._writes._partitions.values())).store._unknown  # type: ignore[attr-defined]
    bench.server.client.put_object(Bucket=bench.name, Key=put.key, Body=put.body, Metadata=put.metadata)  # only now
    assert not (await sink.write([*documents, *sink.prepare(more).documents])).retry
    assert await bench.ids() == [*frame.rows["event_id"], *more.rows["event_id"]]
    await sink.close()


async def test_a_slow_partition_holds_up_no_other(bench: BucketBench, sink: S3Sink) -> None:
    """Each has its own order."""
    slow, fast = LogPart(0), LogPart(1)
    held = asyncio.Event()
    bench.door.faults.append(Fault(503, "SlowDown", held=held))
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(sink.write(sink.prepare(slow.frame()).documents))
        while bench.door.faults:  # noqa: ASYNC110 - a server's
            await asyncio.sleep(0.01)
        assert await sink.write(sink.prepare(fast.frame()).documents) == Verdict()
        assert not first.done()
        held.set()


async def test_two_owners_of_one_range(bench: BucketBench, log: LogPart) -> None:
    """Who comes second finds the object there and does not replace it."""
    frame = log.frame(count=3)
    first, second = bench.sink(), bench.sink()
    store = second._open_store("analytics", frame.delivery.records[0].topic, frame.delivery.lanes[0].partition)
    documents = second.prepare(frame).documents
    await asyncio.to_thread(store.open, documents[0])  # before the other writes
    assert await first.write(first.prepare(frame).documents) == Verdict()
    [before] = (await bench.objects()).items()
    assert await asyncio.to_thread(store.append, documents) == 3
    assert [*(await bench.objects()).items()] == [before]
    await first.close()
    await second.close()


async def test_two_owners_of_other_ranges(bench: BucketBench, log: LogPart) -> None:
    """Both go on at one place with other batches, again and again: no object is cut in two, no event is there twice."""
    frames = [log.frame(count=10) for _ in range(3)]
    whole = log.deliver([record for frame in frames for record in frame.delivery.records], "analytics")
    zombie, heir = bench.sink(), bench.sink()
    for start in (0, 10, 20):
        for sink, ends in ((zombie, (start + 3, start + 9)), (heir, (start + 5, start + 10))):
            for end in ends:
                part = whole.slice(0, end)
                documents = sink.prepare(part).documents
                verdict = await sink.write(documents)
                while verdict.retry:
                    assert isinstance(verdict.cause, Retryable)
                    documents = [documents[at] for at in verdict.retry]
                    verdict = await sink.write(documents)
    await zombie.close()
    await heir.close()
    assert await bench.ids() == whole.rows["event_id"].to_list()


async def test_two_owners_where_puts_replace(bench: BucketBench, log: LogPart) -> None:
    """``if_none_match: false``: some events may be there twice, none is lost by a shorter object of another."""
    frame = log.frame(count=9)
    first, second = bench.sink(if_none_match=False), bench.sink(if_none_match=False)
    store = second._open_store("analytics", frame.delivery.records[0].topic, frame.delivery.lanes[0].partition)
    documents = second.prepare(frame.slice(0, 4)).documents
    await asyncio.to_thread(store.open, documents[0])  # before the other writes
    assert await first.write(first.prepare(frame).documents) == Verdict()
    assert await asyncio.to_thread(store.append, documents) == 4
    assert set(await bench.ids()) == set(frame.rows["event_id"])
    after = bench.sink(if_none_match=False)
    assert await after.write(after.prepare(log.redelivered(frame)).documents) == Verdict(duplicates=9)
    for sink in (first, second, after):
        await sink.close()


@pytest.mark.parametrize("is_conditional", [True, False])
async def test_a_prefix_has_one_owner(bench: BucketBench, is_conditional: bool) -> None:
    """Another entry's sink is refused by name; the owner's own next start is not; another prefix is free."""
    changes = {"if_none_match": is_conditional, "prefix": "lake/"}
    for _ in range(2):
        sink = bench.sink(**changes)
        await sink.start()
        await sink.close()
    other = S3Sink(bench.settings(**changes), owner="ünï/other")
    with pytest.raises(Halt, match="prefix 'lake/' is that of 'tests/lake'") as error:
        await other.start()
    assert "lake/.owner" in error.value.remedy
    await other.close()
    elsewhere = S3Sink(bench.settings(prefix="other/"), owner="ünï/other")
    await elsewhere.start()
    await elsewhere.start()
    await elsewhere.close()


async def test_a_prefix_has_the_events_of_one_cluster(bench: BucketBench) -> None:
    """Another installation, whose service and entry are called alike, is refused by name: its offsets mean other
    records. A log that cannot say which it is is waited for, and a prefix from before that was asked is its owner's."""

    def sink_of(prefix: str, answer: str | Exception) -> S3Sink:
        async def name_log() -> str:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return S3Sink(bench.settings(prefix=prefix), owner="tests/lake", name_log=name_log)

    async def start(prefix: str, answer: str | Exception) -> None:
        sink = sink_of(prefix, answer)
        try:
            await sink.start()
        finally:
            await sink.close()

    with pytest.raises(Retryable, match="which it is: away"):
        await start("lake/", EventLogError("away"))
    for _ in range(2):
        await start("lake/", "Kafka cluster a")
    with pytest.raises(Halt, match="has the events of Kafka cluster a") as error:
        await start("lake/", "Kafka cluster b")
    assert "reads Kafka cluster b" in error.value.remedy
    assert "lake/.owner" in error.value.remedy
    for answer in ("", "Kafka cluster a"):
        await start("old/", answer)


@pytest.mark.kafka
async def test_the_cluster_is_asked_who_it_is(bench: BucketBench, kafka_server: Kafka) -> None:
    """By a start, of the cluster that ``sluice.yaml`` names; of journals nobody is asked."""
    entry = S3Entry.model_validate({"name": "lake", "path": "sink://s3", "config": {"bucket": bench.name}})
    for kafka, names_it in (({"bootstrap_servers": kafka_server.bootstrap_servers}, True), ({}, False)):
        opening = SinkOpening(HostSettings.model_validate({"kafka": kafka}), Path(), ControlSettings(), f"s{names_it}")
        sink = open_sink(entry.model_copy(update={"config": bench.settings(prefix=f"{names_it}/")}), opening)
        await sink.start()
        owner = await asyncio.to_thread(bench.server.client.head_object, Bucket=bench.name, Key=f"{names_it}/.owner")
        assert owner["Metadata"].get("log", "").startswith("Kafka cluster ") == names_it
        await sink.close()


async def test_a_server_that_ignores_the_condition(bench: BucketBench) -> None:
    """An object of one owner could replace another's without a word: found out by the start, and said."""
    bench.door.ignores = "if-none-match"
    sink = bench.sink()
    with pytest.raises(Halt, match="If-None-Match") as error:
        await sink.start()
    assert "if_none_match: false" in error.value.remedy
    await sink.close()
    sink = bench.sink(if_none_match=False)
    await sink.start()
    await sink.close()


async def test_a_bucket_that_is_not_there(bench: BucketBench) -> None:
    """Said by start, with what to do; it is not made in silence."""
    sink = bench.sink(bucket="nowhere-at-all")
    with pytest.raises(Halt, match="make the bucket"):
        await sink.start()
    await sink.close()


async def test_without_credentials(bench: BucketBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither given nor found by the usual chain: it says so."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    sink = bench.sink(access_key_id="", secret_access_key="")
    with pytest.raises(Halt, match="credentials"):
        await sink.start()
    await sink.close()


async def test_the_usual_chain(bench: BucketBench, monkeypatch: pytest.MonkeyPatch, log: LogPart) -> None:
    """Credentials of the environment are enough."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sink = bench.sink(access_key_id="", secret_access_key="")
    await sink.start()
    assert await sink.write(sink.prepare(log.frame()).documents) == Verdict()
    await sink.close()


PUTTER = """
import asyncio, sys
from tests.collectors.sinks.s3.benches import BucketBench
from tests.contracts.sink_laws import LogPart
from collectors.sinks.s3.sink import S3Sink
from collectors.sinks.s3.settings import S3Settings

async def main():
    sink = S3Sink(S3Settings.model_validate_json(sys.argv[1]), owner="tests/lake", writes=2)
    log = LogPart()
    for _ in range(1000):
        verdict = await sink.write(sink.prepare(log.frame(count=3)).documents)
        assert not verdict.retry, verdict
        print("put", flush=True)

asyncio.run(main())
"""


async def test_killed_between_put_and_commit(bench: BucketBench) -> None:
    """A process of its own puts and is killed; all of its records come again to another: each is there once."""
    settings = bench.settings(compression="gzip")
    given = settings.model_dump(mode="json") | {"secret_access_key": "secret", "session_token": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUTTER, json.dumps(given), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    assert process.stdout is not None
    for _ in range(5):
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"put\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    put = len(await bench.ids())
    assert put >= 15
    sink, log = bench.sink(), LogPart()
    frame = log.frame(count=put + 10)
    assert await sink.write(sink.prepare(frame).documents) == Verdict(duplicates=put)
    await sink.close()
    assert len(await bench.ids()) == put + 10
