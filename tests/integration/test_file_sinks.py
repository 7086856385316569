"""Files, totals and objects at the end of the whole path, while the collector is killed in the middle of a file."""

from __future__ import annotations

import gzip
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from schemas.events import KINDS
from sluice.clock import at_micros
from tests.integration.stack import Stack
from tests.integration.stores import read_database
from tests.integration.traffic import Traffic
from tests.integration.waiting import until_found
from tests.s3_server import CREDENTIALS, S3Server
from tests.servers import Kafka

KILLS = 3
EXCHANGES_BETWEEN = 40
SETTLE_SECONDS = 60.0
LOOKS = 4
"""The collector looks at what lags once a second: this often in a row nothing may, before it is believed."""
SERVICES = ("rows", "lines", "parquet", "totals", "objects")


def entries(folder: Path, server: S3Server, bucket: str) -> list[dict[str, Any]]:
    """One of each form, with files that are finished often."""
    batch = {"max_records": 50, "max_age_seconds": 0.2}
    objects = {"bucket": bucket, "endpoint_url": server.url, "addressing_style": "path", **CREDENTIALS}
    files: dict[str, dict[str, Any]] = {
        "lines": {"format": "jsonl", "compression": "zstd", "max_bytes": 60_000},
        "parquet": {"format": "parquet", "max_age": "2s"},
        "totals": {"aggregate_mode": "true"},
    }
    found = [
        {
            "name": name,
            "path": "sink://file",
            "batch": batch,
            "config": {"output_directory": str(folder / name), **config},
        }
        for name, config in files.items()
    ]
    found[-1]["hook_types"] = ["budget"]
    return [*found, {"name": "objects", "path": "sink://s3", "batch": batch, "config": objects}]


async def run(stack: Stack, seed: int) -> None:
    """Traffic, and a collector that is killed again and again; then everything is carried to its end."""
    async with stack.running():
        traffic = Traffic(stack.url, seed=seed, clients=(1, 2, 3), pause_seconds=0.01)
        async with traffic.flowing():
            for _ in range(KILLS):
                await traffic.more(EXCHANGES_BETWEEN, 60)
                await stack.collector.kill()
                await stack.collector.start()
            await traffic.more(EXCHANGES_BETWEEN, 60)
        await stack.gateway.stop()

        looks = 0

        async def is_carried() -> bool:
            nonlocal looks
            looks = looks + 1 if await is_idle(stack, len(traffic.complete)) else 0
            return looks == LOOKS

        await until_found(is_carried, SETTLE_SECONDS, "everything is carried", poll_seconds=1.0)
        await stack.collector.stop()


async def is_idle(stack: Stack, complete: int) -> bool:
    """Whether every service has carried all that it knew of when it last looked."""
    waiting = 0.0
    for name in SERVICES:
        for metric in ("sluice_collector_lag_records", "sluice_collector_in_flight_records"):
            waiting += await stack.collector.metric(metric, f'service="{name}"')
    return not waiting and len(read_database(stack.database)["analytics"]) >= complete


def lines(folder: Path) -> Counter[str]:
    """The ids in files of lines."""
    found: Counter[str] = Counter()
    for path in folder.glob("*.zst"):
        content = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
        found.update(json.loads(line)["event_id"] for line in content.splitlines())
    return found


def check(folder: Path, database: Path, objects: Sequence[bytes]) -> None:
    """Every event of the events database is once in each, and nothing else is; totals agree to the nano."""
    rows = read_database(database)
    expected = Counter(row["event_id"] for kind in KINDS for row in rows[kind])
    assert set(expected.values()) == {1}
    assert len(expected) > 3 * KILLS * EXCHANGES_BETWEEN
    assert lines(folder / "lines") == expected
    assert len(list((folder / "lines").glob("*.zst"))) > len(KINDS)
    parquet = list((folder / "parquet").glob("*.parquet"))
    assert Counter(event_id for path in parquet for event_id in pl.read_parquet(path)["event_id"]) == expected
    assert ids_of_objects(objects) == expected
    check_totals(folder / "totals" / "budget_aggregate.json", rows["budget"])
    assert not [path.name for path in folder.glob("*/.*.tmp")]


def ids_of_objects(objects: Sequence[bytes]) -> Counter[str]:
    """The ids in gzipped lines."""
    return Counter(json.loads(line)["event_id"] for each in objects for line in gzip.decompress(each).splitlines())


def check_totals(path: Path, budgets: Sequence[Mapping[str, Any]]) -> None:
    """What the file says is what the rows add up to."""
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for row in budgets:
        month = f"{at_micros(row['occurred_at']):%Y-%m}"
        total = expected[f"app_{row['app_id'] or 0}_llm_{row['llm_id'] or 0}_{month}"]
        for name in ("tokens_used", "requests_count", "cost_nanos"):
            total[name] += row[name]
    found = json.loads(path.read_bytes())["totals"]
    assert {
        key: Counter(
            tokens_used=total["tokens_used"],
            requests_count=total["requests_count"],
            cost_nanos=sum(total["cost_nanos"].values()),
        )
        for key, total in found.items()
    } == expected


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """A bucket of this test's."""
    name = f"b{secrets.token_hex(5)}"
    s3_server.client.create_bucket(Bucket=name)
    return name


@pytest.mark.timeout(200)
async def test_once_each_from_the_journal(unique_name: str, tmp_path: Path, s3_server: S3Server, bucket: str) -> None:
    """Embedded, two workers, so two journals: kill -9 in mid-file loses nothing and shows nothing twice."""
    stack = Stack(tmp_path, unique_name, workers=2, entries=entries(tmp_path, s3_server, bucket))
    await run(stack, seed=11)
    check(tmp_path, stack.database, [*s3_server.objects(bucket).values()])


@pytest.mark.timeout(300)
async def test_once_each_from_kafka(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, s3_server: S3Server, bucket: str
) -> None:
    """The same over a real Kafka with six partitions."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, entries=entries(tmp_path, s3_server, bucket))
    await run(stack, seed=12)
    check(tmp_path, stack.database, [*s3_server.objects(bucket).values()])
