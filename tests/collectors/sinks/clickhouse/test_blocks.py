"""Blocks are fixed when the batch is made: a retry has the same rows under the same token."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.deliveries import Delivery
from collectors.sinks.clickhouse.blocks import Row, blocks_of, rows_of, token_of
from sluice.eventlog.interface import Partition
from tests.contracts.sink_laws import LogPart


def rows(partitions: list[int], max_rows: int = 3, max_bytes: int = 1_000, line: bytes = b"{}") -> list[Row]:
    """One row of each of these partitions' logs, in this order."""
    parts = {number: LogPart(number) for number in set(partitions)}
    records, lanes = [], []
    for number in partitions:
        frame = parts[number].frame(count=1)
        records += frame.delivery.records
        lanes += frame.delivery.lanes
    frame = parts[partitions[0]].deliver(records, "analytics")
    frame.delivery = Delivery(list(records), lanes)
    return rows_of(frame, [line] * len(partitions), 10, max_rows, max_bytes)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(1, 4), st.integers(3, 12))
def test_a_block_is_a_run_of_one_partition(partitions: list[int], max_rows: int, max_bytes: int) -> None:
    """Within its bounds, in the order of offsets; every row is in exactly one."""
    made = rows(partitions, max_rows, max_bytes)
    blocks = list(blocks_of(made))
    assert sorted(at for block in blocks for at in block) == list(range(len(made)))
    for block in blocks:
        held = [made[at] for at in block]
        assert len({row.partition for row in held}) == 1
        assert [row.offset for row in held] == sorted(row.offset for row in held)
        assert len(held) <= max_rows
        assert len(held) == 1 or 3 * len(held) <= max_bytes + 1


def test_a_token_names_partition_and_offsets() -> None:
    """And is the same whenever the same rows are sent, in any number of attempts."""
    made = rows([0, 0, 0])
    [block] = blocks_of(made)
    token = token_of([made[at] for at in block])
    assert token.startswith("sluice.analytics.v1-0-100-102-")
    assert token == token_of([made[at] for at in block])


def test_what_is_left_after_a_part_has_another_token() -> None:
    """A half is another block: with the token of the whole it would be taken for it, and lost."""
    made = rows([0, 0, 0])
    assert len({token_of(made), token_of(made[:2]), token_of(made[1:]), token_of(made[:1])}) == 4


def test_a_topic_made_again_is_not_taken_for_the_old_one() -> None:
    """Its offsets begin anew; its events are others, and so are the tokens."""
    first, second = rows([0, 0]), rows([0, 0])
    assert [row.offset for row in first] == [row.offset for row in second]
    assert token_of(first) != token_of(second)


def test_what_is_left_keeps_its_blocks() -> None:
    """Rows that were settled are gone; the others are never regrouped."""
    made = rows([0] * 9)
    left = [row for row in made if row.block != made[4].block]
    assert [[left[at].offset for at in block] for block in blocks_of(left)] == [[100, 101, 102], [106, 107, 108]]


def test_partitions_with_one_name_are_told_apart() -> None:
    """A journal is its directory, a partition its number."""
    row = rows([0])[0]
    tokens = {token_of([row._replace(partition=Partition(topic, number))]) for topic in "ab" for number in (0, 1)}
    assert len(tokens) == 4
