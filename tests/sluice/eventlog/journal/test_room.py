"""The room in a journal: never more admitted than fits, and nothing lost in the counting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sluice.eventlog.journal.room import Room
from sluice.eventlog.settings import JournalSettings

sizes = st.integers(0, 10_000)


def room(max_bytes: int = 1000, exchange_bytes: int = 100, used: int = 0, free: int = 1_000_000) -> Room:
    """A measured room."""
    made = Room(JournalSettings(max_bytes=max_bytes, max_exchange_bytes=exchange_bytes))
    made.measure(used, free)
    return made


def test_what_was_never_measured_has_no_room() -> None:
    """Before the first look at the disk nothing is admitted."""
    made = Room(JournalSettings())
    assert not made.has_room()
    assert not made.reserve()
    assert not made.fits()
    assert (made.reserved, made.bound_bytes, made.left_bytes, made.used_bytes) == (0, 0, 0, 0)


@given(sizes, sizes, st.integers(1, 10_000))
@settings(deadline=None)
def test_the_bound_is_the_setting_or_what_the_disk_has(used: int, free: int, max_bytes: int) -> None:
    """Whichever is less; used and left always make up the bound."""
    made = room(max_bytes, 1, used, free)
    assert made.bound_bytes == min(max_bytes, used + free)
    assert made.used_bytes == used
    assert made.left_bytes == made.bound_bytes - used
    assert made.fits() == (made.left_bytes >= 1)


@given(sizes, sizes, st.integers(1, 10_000), st.integers(1, 2_000))
@settings(deadline=None)
def test_exactly_as_many_are_admitted_as_fit(used: int, free: int, max_bytes: int, exchange_bytes: int) -> None:
    """Each at the largest size an exchange may have."""
    made = room(max_bytes, exchange_bytes, used, free)
    admitted = 0
    while made.has_room():
        assert made.reserve()
        admitted += 1
    assert not made.reserve()
    assert made.reserved == admitted == max(0, made.left_bytes) // exchange_bytes


def test_room_given_back_admits_another() -> None:
    """Released with or without a write in between."""
    made = room(max_bytes=200, exchange_bytes=100)
    assert [made.reserve() for _ in range(3)] == [True, True, False]
    made.release()
    assert made.has_room()
    made.use(1)
    assert not made.has_room()
    assert made.fits()


def test_an_overbooked_exchange_is_counted_like_any_other() -> None:
    """It takes the room of those that come, and gives it back."""
    made = room(max_bytes=200, exchange_bytes=100)
    for _ in range(3):
        made.overbook()
    assert made.reserved == 3
    assert not made.has_room()
    assert made.fits()
    for _ in range(2):
        made.release()
    assert made.has_room()


def test_the_last_fifth_is_not_for_refusals() -> None:
    """To the byte, by what is used and by what is set aside; exchanges themselves may go on."""
    made = room(max_bytes=1000, exchange_bytes=100)
    made.use(800)
    assert made.has_room_for_refusals()
    made.use(1)
    assert not made.has_room_for_refusals()
    assert made.has_room()
    other = room(max_bytes=1000, exchange_bytes=100)
    for _ in range(8):
        assert other.reserve()
    assert other.has_room_for_refusals()
    assert other.reserve()
    assert not other.has_room_for_refusals()
    assert other.reserve()


def test_the_fifth_is_of_the_bound_that_holds() -> None:
    """Where the disk has less than the setting, a fifth of that."""
    made = room(max_bytes=1_000_000, exchange_bytes=10, used=0, free=100)
    made.use(80)
    assert made.has_room_for_refusals()
    made.use(1)
    assert not made.has_room_for_refusals()


@pytest.mark.parametrize("ask", [Room.has_room, Room.reserve, Room.fits, Room.has_room_for_refusals])
def test_a_stuck_disk_has_no_room(ask: object) -> None:
    """What is admitted then would only wait; it is over when the disk answers."""
    assert callable(ask)
    made = room()
    made.is_stuck = True
    assert not ask(made)
    assert made.reserved == 0
    made.is_stuck = False
    assert ask(made)


def test_more_written_than_the_bound_is_below_nothing() -> None:
    """Housekeeping may be late: the count says so, and nothing is admitted until there is room again."""
    made = room(max_bytes=100, exchange_bytes=10)
    made.use(150)
    assert (made.left_bytes, made.used_bytes) == (-50, 150)
    assert not made.has_room()
    assert not made.fits()
    assert not made.has_room_for_refusals()
    made.measure(20, 1_000)
    assert (made.left_bytes, made.has_room()) == (80, True)


def test_measuring_keeps_what_is_set_aside() -> None:
    """Exchanges under way are not on the disk yet."""
    made = room(max_bytes=300, exchange_bytes=100)
    assert made.reserve()
    made.measure(100, 1_000_000)
    assert made.reserved == 1
    assert [made.reserve(), made.reserve()] == [True, False]


class Rooms(RuleBasedStateMachine):
    """Any order of calls: exchanges that were admitted always fit, if each writes no more than it may."""

    def __init__(self) -> None:
        super().__init__()
        self.room = room(max_bytes=1000, exchange_bytes=100)
        self.reserved = 0
        self.used = 0

    @rule()
    def reserve(self) -> None:
        had_room = self.room.has_room()
        assert self.room.reserve() == had_room
        self.reserved += had_room

    @precondition(lambda self: self.reserved)
    @rule(size=st.integers(0, 100))
    def write_and_release(self, size: int) -> None:
        assert self.room.fits()
        self.room.use(size)
        self.room.release()
        self.used += size
        self.reserved -= 1

    @rule(freed=st.integers(0, 500))
    def sweep(self, freed: int) -> None:
        self.used = max(0, self.used - freed)
        self.room.measure(self.used, 1_000_000)

    @invariant()
    def holds(self) -> None:
        assert self.room.reserved == self.reserved
        assert self.room.used_bytes == self.used
        assert self.used + 100 * self.reserved <= 1000


TestRooms = Rooms.TestCase
TestRooms.settings = settings(deadline=None, max_examples=30)
