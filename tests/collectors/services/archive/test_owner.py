"""Whose an archive is: another log is refused, and what nobody can know is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.errors import Halt
from collectors.services.archive.layout import OWNER
from collectors.services.archive.owner import Owner, claim, cluster_of, owner_of
from collectors.services.archive.places import FolderPlace, read
from collectors.services.archive.verify import Verifier
from sluice.eventlog.interface import Partition
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.services.archive.benches import HOUR, TOPICS, Bench, archived_of, filled, in_order, problems_of
from tests.servers import Kafka


def test_the_first_is_the_owner(tmp_path: Path) -> None:
    """And stays it; the file has no field of what is not known, so it is as it was before there were ids."""
    place = FolderPlace(tmp_path)
    assert owner_of(place) is None
    assert claim(place, Owner("kafka a", "one")) == claim(place, Owner("kafka a", "one")) == Owner("kafka a", "one")
    other = FolderPlace(tmp_path / "other")
    claim(other, Owner("kafka a"))
    assert read(other, "", OWNER) == b'{"log":"kafka a"}'


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        (Owner("kafka a"), Owner("kafka b"), "of another log: kafka a"),
        (Owner("kafka a", "one"), Owner("kafka a", "two"), r"kafka a of cluster one; give this one .*two.*next epoch"),
        (Owner("journals 1"), Owner("journals 2"), "journals 1"),
        (Owner("kafka a", "one"), Owner("journals 2"), "kafka a of cluster one"),
    ],
)
def test_another_log_is_refused_by_name(tmp_path: Path, theirs: Owner, ours: Owner, words: str) -> None:
    """With the remedy, and nothing is changed by it."""
    place = FolderPlace(tmp_path)
    claim(place, theirs)
    with pytest.raises(Halt, match=words):
        claim(place, ours)
    assert owner_of(place) == theirs


@pytest.mark.parametrize("known", [("", "one"), ("one", ""), ("", "")])
def test_a_cluster_that_one_does_not_know_tells_nothing(tmp_path: Path, known: tuple[str, str]) -> None:
    """An archive of old goes on, and so does one whose broker tells no id; neither is taken for certain."""
    theirs, ours = (Owner("kafka a", cluster) for cluster in known)
    place = FolderPlace(tmp_path)
    claim(place, theirs)
    assert claim(place, ours) == theirs
    assert not (theirs.is_certain and ours.is_certain)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"log": 7}'])
def test_an_owner_that_cannot_be_read_is_no_owner(tmp_path: Path, text: bytes) -> None:
    """Nothing is archived there before it is restored, and verify names the file."""
    place = FolderPlace(tmp_path)
    place.put("", OWNER, text)
    with pytest.raises(Halt, match=OWNER):
        claim(place, Owner("kafka a"))
    assert [each.where for each in Verifier(place).verify([]).problems] == [OWNER]


async def test_what_is_not_known_of_a_cluster_is_no_damage(tmp_path: Path) -> None:
    """Without an id all is archived, and verify says that the cluster is not verified; another cluster that has one is
    refused only where the archive names one too."""
    bench = Bench(tmp_path)
    bench.cluster = ""
    filled(bench.log, hours=1)
    assert await bench.sweep_all() == 1
    found = Verifier(FolderPlace(bench.folder)).verify([])
    assert (problems_of(bench), [OWNER in note and "not verified" in note for note in found.notes]) == ([], [True])
    bench.cluster = "two"
    await bench.sweep()
    (bench.folder / OWNER).unlink()
    await bench.sweep()
    assert Verifier(FolderPlace(bench.folder)).verify([]).notes == []
    bench.cluster = "three"
    with pytest.raises(Halt, match="cluster two"):
        await bench.sweep()


@pytest.mark.parametrize("wrong", [b'{"log":"kafka t","cluster":"two"}', b'{"log":"kafka u"}', b"{", b""])
async def test_a_wrong_owner_loses_nothing(tmp_path: Path, wrong: bytes) -> None:
    """Whatever befell the file: nothing is written or removed beside it, and when it is put right the hours of
    meanwhile are archived, in the same epoch."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=1)
    await bench.sweep_all()
    path = bench.folder / OWNER
    right, before = path.read_bytes(), bench.files()
    path.write_bytes(wrong)
    filled(bench.log, hours=3)
    with pytest.raises(Halt, match=OWNER if wrong in {b"", b"{"} else "of another log"):
        await bench.sweep_all()
    assert bench.files() == before
    path.write_bytes(right)
    await bench.sweep_all()
    assert (problems_of(bench), bench.published.alerts) == ([], [])
    assert in_order(archived_of(bench)) == in_order(bench.log.all)


async def test_who_takes_a_cluster_s_place_begins_epochs(tmp_path: Path) -> None:
    """As the refusal says: where its owner is removed, the archive has the records of both clusters, whole."""
    bench = Bench(tmp_path)
    partition = Partition(TOPICS.event("analytics").name, 0)
    records = bench.log.add("analytics", 0, [HOUR.start_ms] * 5)
    bench.log.ids = {partition: "a"}
    await bench.sweep_all()
    bench.log.records, bench.log.ends, bench.log.ids = {}, {}, {partition: "b"}
    records += bench.log.add("analytics", 0, [HOUR.start_ms] * 7)
    bench.cluster = "two"
    with pytest.raises(Halt, match=f"remove {OWNER}: names have the next epoch"):
        await bench.sweep_all()
    (bench.folder / OWNER).unlink()
    await bench.sweep_all()
    assert in_order(archived_of(bench)) == in_order(records)
    assert (problems_of(bench), len(bench.files("**/*-1-*.parquet"))) == ([], 1)


async def test_a_real_cluster_has_an_id(kafka_server: Kafka) -> None:
    """As Kafka tells it."""
    assert await cluster_of(KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers))
