"""Names say which records a file holds, and nobody else's names are taken for ours."""

from __future__ import annotations

import pytest

from collectors.sinks.offset_names import Named, OffsetNames, Published, named
from sluice.eventlog.interface import Partition

KAFKA = OffsetNames("sluice.proxy-log.v1", Partition("sluice.proxy-log.v1", 7))
JOURNAL = OffsetNames("sluice.analytics.v1", Partition("gw-1/w0", 0))


def test_a_name_is_read_back() -> None:
    """Also with offsets as large as a journal's, and they sort as numbers."""
    ranges = [(0, 9), (10, 99), (100, 2**63)]
    written = [KAFKA.name(2, *each) + ".jsonl.gz" for each in ranges]
    assert sorted(written, reverse=True) == written[::-1]
    assert [(each.first, each.last) for each in KAFKA.published(reversed(written))] == ranges
    assert written[0] == "sluice.proxy-log.v1-2-7-00000000000000000000-00000000000000000009.jsonl.gz"


def test_a_journal_is_a_partition() -> None:
    """Its name has slashes and dashes: it is one part of a file's name, and no folder."""
    name = JOURNAL.name(0, 1 << 32, (1 << 32) + 5) + ".parquet"
    assert "/" not in name
    assert JOURNAL.published([name]) == [Published(0, 1 << 32, (1 << 32) + 5, name)]
    assert OffsetNames("sluice.analytics.v1", Partition("gw-1/w1", 0)).published([name]) == []


@pytest.mark.parametrize("hostile", ["..", "a/../../b", "-", "é\0", "%2F", " ", "x" * 100])
def test_whatever_a_gateway_is_called(hostile: str) -> None:
    """The name stays one file's in the folder, and different ones stay apart."""
    names = OffsetNames("t", Partition(f"{hostile}/0", 0))
    name = names.name(0, 1, 2) + ".csv"
    assert not {"/", "\0", " "} & set(name)
    assert [each.first for each in names.published([name])] == [1]
    assert OffsetNames("t", Partition(f"{hostile}/1", 0)).published([name]) == []


def test_others_are_not_ours() -> None:
    """Other topics, partitions, hidden and temporary files, and whatever else lies in a folder."""
    mine = KAFKA.name(0, 1, 2)
    others = [
        OffsetNames("sluice.proxy-log.v1", Partition("sluice.proxy-log.v1", 17)).name(0, 1, 2) + ".jsonl",
        OffsetNames("sluice.proxy-log", Partition("sluice.proxy-log", 7)).name(0, 1, 2) + ".jsonl",
        OffsetNames("x.sluice.proxy-log.v1", Partition("x.sluice.proxy-log.v1", 7)).name(0, 1, 2) + ".jsonl",
        f".{mine}.jsonl.0a1b.tmp", f"{mine}", f"{mine}.JSONL", "budget_aggregate.json", "",
        "sluice.proxy-log.v1-0-7-1-2.jsonl",
    ]  # fmt: skip
    assert KAFKA.published(others) == []
    assert KAFKA.staged([*others, ".sluice.proxy-log.v1-0-17-3.part"]) == []


def test_names_that_do_not_say_where_they_end() -> None:
    """They begin where they say; those that do say it are among them; nobody else's are."""
    first, whole = KAFKA.name_of_first(2, 7) + ".jsonl.gz", KAFKA.name(2, 9, 11) + ".jsonl"
    other = OffsetNames(KAFKA.topic, Partition(KAFKA.topic, 17)).name_of_first(2, 7) + ".jsonl"
    assert KAFKA.begun([whole, other, first, KAFKA.name_of_first(2, 7), f".{first}", ""]) == [
        (2, 7, 7, first),
        (2, 9, 11, whole),
    ]
    assert KAFKA.published([first]) == []
    assert OffsetNames("t", Partition("t", 1)).begun([OffsetNames("t-0-1", Partition("t-0-1", 5)).name(3, 7, 9)]) == []


def test_topics_that_look_like_names() -> None:
    """A topic that ends as a name does is not mistaken for a partition of a shorter one."""
    short = OffsetNames("t", Partition("t", 1))
    long = OffsetNames("t-0-1", Partition("t-0-1", 5))
    assert short.published([long.name(3, 7, 9) + ".csv"]) == []
    assert long.published([short.name(3, 7, 9) + ".csv"]) == []


def test_growing_files_in_the_order_they_were_begun() -> None:
    """By number: the tenth comes after the ninth."""
    names = [KAFKA.staged_name(epoch, generation) for epoch, generation in [(0, 10), (0, 9), (1, 11)]]
    assert KAFKA.staged(names) == [(0, 9), (0, 10), (1, 11)]
    assert all(name.startswith(".") for name in names)


@pytest.mark.parametrize("topic", ["t", "sluice.proxy-log.v1", "a-1-2.analytics.v1", f"x-0-1-{5:020}"])
@pytest.mark.parametrize("partition", [None, Partition("gw-1/w-0", 0), Partition("ü %/0", 0)])
def test_any_name_says_whose_it_is(topic: str, partition: Partition | None) -> None:
    """Without knowing the partition, a number or a journal's; with and without its end."""
    where = partition or Partition(topic, 11)
    names = OffsetNames(topic, where)
    assert named(names.name(3, 5, 9) + ".jsonl.gz") == Named(topic, 3, where, 5, 9, ".jsonl.gz")
    assert named(names.name_of_first(3, 5) + ".parquet") == Named(topic, 3, where, 5, None, ".parquet")


@pytest.mark.parametrize("name", ["", "manifest.json", "t-0-0-5-9.jsonl", ".t-0-0-7.part", f"a/t-0-0-{5:020}.jsonl"])
def test_other_names_say_nothing(name: str) -> None:
    """Hidden ones, short ones, paths."""
    assert named(name) is None
