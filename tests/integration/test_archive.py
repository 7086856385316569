"""The archive over a real Kafka, and a replay from it into a real Elasticsearch: the same documents as from the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from collectors.alerts import Alerts
from collectors.jobs.interface import UsageError
from collectors.jobs.origins import open_origin
from collectors.jobs.rebuild.job import RebuildOptions
from collectors.jobs.replay.plan import ReplayOptions, check
from collectors.operations.running import settings_of
from collectors.services.archive.against_log import Comparison
from collectors.services.archive.layout import HOUR_MS
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.service import Archive
from collectors.services.archive.settings import ArchiveSettings
from collectors.services.archive.verify import Found, Span, Verifier, topics_at
from collectors.settings import HostSettings
from sluice.clock import now_micros
from tests.collectors.jobs.replay.running import replayed
from tests.collectors.services.archive.benches import Published
from tests.integration.collecting import Collecting
from tests.integration.stack import write_yaml
from tests.servers import Elasticsearch, Kafka

EXCHANGES = 200


class Host:
    """Topics with events, an archive, and an index that is still empty."""

    def __init__(self, bench: Collecting, url: str) -> None:
        self.bench = bench
        self.folder = bench.folder
        self.url = url
        write_yaml(self.folder / "sluice.yaml", {"data_dir": str(self.folder / "data"), "kafka": bench.kafka})
        bench.configure(bench.search())
        self.settings = settings_of(self.folder / "sluice.yaml", HostSettings)
        self.alerts = Published()

    async def archive(self, folder: str = "archive", hours: int = 26, **settings: Any) -> int:
        """As some hours from now."""
        given = {"folder": folder, "max_file_bytes": 30_000, **settings}
        clock = lambda: now_micros() + hours * HOUR_MS * 1_000  # noqa: E731 - one expression
        alerts = Alerts(self.alerts, "alerts", "archive")
        service = Archive(ArchiveSettings.model_validate(given), self.settings, self.folder, clock=clock)
        count = await service.sweep(alerts)
        await alerts.flush()
        return count

    async def verified(self, folder: str = "archive") -> Found:
        """With every record that the log has."""
        place = FolderPlace(self.folder / folder)
        found = Verifier(place).verify(topics_at(place))
        origin = open_origin(self.settings)
        await Comparison(place, origin, found).compare(topics_at(place), Span(), lambda *_: None)
        await origin.close()
        return found


@pytest.fixture
async def host(
    tmp_path: Path, kafka_server: Kafka, elasticsearch_server: Elasticsearch, unique_name: str
) -> AsyncIterator[Host]:
    """Topics with events, and nothing in the sink yet."""
    bench = Collecting(tmp_path, unique_name, kafka_server, elasticsearch_server)
    async with bench.topics_made():
        await bench.publish(EXCHANGES)
        host = Host(bench, elasticsearch_server.address)
        yield host
        await host.bench.delete_indices()


@pytest.mark.parametrize("form", [{"format": "parquet"}, {"format": "jsonl", "compression": "gzip"}])
async def test_a_replay_from_the_archive_is_one_from_the_log(host: Host, form: dict[str, Any]) -> None:
    """Verify compares every record with Kafka's; documents and money are equal; a second replay writes nothing."""
    assert await host.archive(**form) >= 1
    found = await host.verified()
    assert (found.problems, found.records, found.compared) == ([], 3 * EXCHANGES, 3 * EXCHANGES)
    code, report, _ = await replayed(host.folder, "search")
    assert (code, report["written"]) == (0, 3 * EXCHANGES)
    from_log = await host.bench.documents()
    await host.bench.delete_indices()
    code, report, _ = await replayed(host.folder, "search", archive=str(host.folder / "archive"))
    assert (code, report["written"], report["failed"]) == (0, 3 * EXCHANGES, 0)
    assert await host.bench.documents() == from_log
    assert sorted(from_log) == sorted(host.bench.published)
    code, report, _ = await replayed(host.folder, "search", archive=str(host.folder / "archive"))
    assert (code, report["written"], report["already_there"]) == (0, 0, 3 * EXCHANGES)


async def test_what_kafka_deleted_is_told_and_the_rest_is_archived(host: Host) -> None:
    """Records that retention took before the archive had them are a gap and an alert; all else is there, and what is
    archived already outlives Kafka's retention."""
    await host.archive()
    first = await host.verified()
    await host.bench.publish(EXCHANGES)
    topic = host.bench.topics.event("analytics").name
    origin = open_origin(host.settings)
    ranges = await origin.ranges([topic])
    await origin.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=host.bench.kafka["bootstrap_servers"])
    await admin.start()
    lost = {TopicPartition(*each): RecordsToDelete(before_offset=found.end - 1) for each, found in ranges.items()}
    await admin.delete_records(lost)
    await admin.close()
    await host.archive(hours=60)
    found = await host.verified()
    told = [alert for alert in host.alerts.alerts if alert["kind"] == "archive_gap"]
    assert len(told) == len(ranges) == len(found.problems)
    gone = sum(int(alert["last"]) - int(alert["first"]) + 1 for alert in told)
    assert found.records == first.records + 3 * EXCHANGES - gone


async def test_a_damaged_archive_is_replayed_only_with_yes(host: Host) -> None:
    """Without it nothing of the file is written and it is named; with it the rest is, and the report says what is left
    out. A rebuild from an archive does not take an index's place."""
    await host.archive()
    archive = host.folder / "archive"
    victim = min(archive.glob("*analytics*/**/*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-20] + bytes(20))
    code, report, _ = await replayed(host.folder, "search", archive=str(archive), topics=("analytics",), job="one")
    assert (code, report["state"]) == (1, "stopped")
    assert any(victim.name in problem and "--yes" in problem for problem in report["problems"])
    code, report, _ = await replayed(host.folder, "search", archive=str(archive), topics=("analytics",), yes=True)
    [note] = [each for each in report["notes"] if victim.name in each]
    left_out = int(note.split("; ")[1].split(" ")[0])
    assert (code, report["read"]) == (0, EXCHANGES - left_out)
    options = ReplayOptions(sink="search", rebuild=RebuildOptions(True, True), archive=str(archive))
    with pytest.raises(UsageError, match="--swap: a rebuild from the log alone"):
        check(options, host.bench.topics)
