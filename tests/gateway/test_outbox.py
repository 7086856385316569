"""What goes out in one turn: at its end, in order, each connection's in one write, and no fault of one is another's."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl

from gateway.outbox import (
    CHUNK,
    MAX_BEGINNING,
    MAX_END_TURNS,
    MAX_TURN_SECONDS,
    MAX_WAITING_BYTES,
    MIN_BROUGHT,
    Outbox,
    Turn,
)
from tests.contracts.scripted_upstream import turns

CLOSE, ABORT = b"<closed>", b"<aborted>"


class Wire:
    """Stands for transports: what was written to them and what was done to them, in the order in which it was."""

    def __init__(self) -> None:
        self.log: list[tuple[str, bytes]] = []

    def outbox(self, turn: Turn, name: str = "a") -> Outbox:
        """One connection's."""
        return Outbox(turn, cast("asyncio.Transport", Line(self.log, name)))


class Line:
    """One transport; one whose name is ``broken`` takes nothing."""

    def __init__(self, log: list[tuple[str, bytes]], name: str) -> None:
        self._log = log
        self._name = name
        self._is_closing = False

    def write(self, data: bytes) -> None:
        """Remember it."""
        if self._name == "broken":
            message = "the handler is closed"
            raise RuntimeError(message)
        self._log.append((self._name, data))

    def is_closing(self) -> bool:
        """Whether ``close`` or ``abort`` were called."""
        return self._is_closing

    def close(self) -> None:
        """Remember that."""
        self._is_closing = True
        self._log.append((self._name, CLOSE))

    def abort(self) -> None:
        """Remember that."""
        self._is_closing = True
        self._log.append((self._name, ABORT))


class Flow(FlowControl):
    """A client's that takes all until a test says otherwise."""

    def __init__(self) -> None:
        super().__init__(cast("asyncio.Transport", None))


async def test_a_turn_s_writes_wait_for_its_end() -> None:
    """Nothing is written while others are still read; then a connection's pieces are one write."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    for piece in (b"1", b"2"):
        outbox.put(piece)
    assert wire.log == []
    await turns(1)
    assert wire.log == [("a", b"12")]


@pytest.mark.parametrize("others", range(MIN_BROUGHT))
async def test_a_burst_ends_when_a_look_brings_few_others(others: int) -> None:
    """Behind each that brought some the sockets are looked at once more; then all go out, first come first."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    first, second = wire.outbox(turn), wire.outbox(turn, "b")
    for outbox, piece in ((first, b"1"), (second, b"2"), (first, b"3")):
        outbox.put(piece)
    await turns(1)
    brought = [str(number) for number in range(MIN_BROUGHT + others)]
    for name in brought[:MIN_BROUGHT]:
        wire.outbox(turn, name).put(b"4")
    await turns(1)
    assert wire.log == []
    for name in brought[MIN_BROUGHT:]:
        wire.outbox(turn, name).put(b"4")
    second.put(b"5")  # it was here before
    await turns(1)
    assert wire.log == [("a", b"13"), ("b", b"25"), *((name, b"4") for name in brought)]
    wire.log.clear()
    first.put(b"6")
    second.put(b"7")
    await turns(2)
    assert wire.log == [("a", b"6"), ("b", b"7")], "of the next burst as of this one"


async def test_a_long_burst_is_written_out() -> None:
    """However many more each look brings."""
    now = 0.0
    wire, turn = Wire(), Turn(lambda: now)
    for name in ("a", "b"):
        wire.outbox(turn, name).put(b"1")
    await turns(1)
    more = "cdefgh"[:MIN_BROUGHT]
    for name in more:
        wire.outbox(turn, name).put(b"1")
    now += 2 * MAX_TURN_SECONDS
    await turns(1)
    assert "".join(name for name, _ in wire.log) == "ab" + more


@pytest.mark.parametrize("beginning", [0, MAX_BEGINNING, MAX_BEGINNING + 1])
async def test_no_burst_waits_for_many_requests_that_begin(beginning: int) -> None:
    """They compute, and until they are answered nothing of theirs comes here that would tell the time."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    turn.arrivals.waiting = beginning
    for name in ("a", "b"):
        wire.outbox(turn, name).put(b"1")
    await turns(1)
    assert len(wire.log) == (2 if beginning > MAX_BEGINNING else 0)
    await turns(1)
    assert len(wire.log) == 2


async def test_who_waits_for_an_end_makes_no_burst() -> None:
    """What goes out behind them goes out as soon as without them."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    for name in ("a", "b", "c"):
        outbox = wire.outbox(turn, name)
        outbox.put(b"1")
        outbox.expect_end()
    await turns(2)
    other = Wire()
    other.outbox(turn).put(b"2")
    await turns(1)
    assert (wire.log, other.log) == ([], [("a", b"2")])


async def test_nothing_waits_for_more_than_its_turn() -> None:
    """The end of each turn comes by itself, however many there were before."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    for number in range(3):
        outbox.put(b"%d" % number)
        await turns(1)
    assert wire.log == [("a", b"0"), ("a", b"1"), ("a", b"2")]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(1, MAX_WAITING_BYTES // 2), st.sampled_from(("flush", "end", "turn", ""))), max_size=12
    )
)
async def test_order_is_kept_and_memory_is_bounded(pieces: list[tuple[int, str]]) -> None:
    """Whatever is put, flushed, or waits for an end: all of it goes out once, in order, and at most the bound waits."""
    wire, turn = Wire(), Turn()
    outbox, whole = wire.outbox(turn), b""
    for number, (size, then) in enumerate(pieces):
        piece = bytes([number]) * size
        outbox.put(piece)
        whole += piece
        if then == "flush":
            outbox.flush()
        elif then == "end":
            outbox.expect_end()
        elif then == "turn":
            await turns(2)  # one that was flushed and has more looks like a burst
        written = sum(len(data) for _, data in wire.log)
        assert len(whole) - written <= (0 if then in {"flush", "turn"} else MAX_WAITING_BYTES)
    await turns(MAX_END_TURNS + 1)
    assert b"".join(data for _, data in wire.log) == whole


async def log_of(steps: list[tuple[str, int, bool, str]], *, is_put: bool) -> list[tuple[str, bytes]]:
    """What streams write of two connections: the size of a piece, whether it comes as a chunk, and what is then."""
    now = 0.0
    wire, turn = Wire(), Turn(lambda: now)
    outboxes = {name: wire.outbox(turn, name) for name in "ab"}
    writers = {name: outbox.chunk_writer(Flow()) for name, outbox in outboxes.items()}
    for name, size, is_chunk, then in steps:
        piece = b"x" * size
        if not is_put:
            assert writers[name](piece, CHUNK % (size, piece) if is_chunk and size else b"")
        elif size:
            outboxes[name].put(CHUNK % (size, piece))
        if then == "flush":
            outboxes[name].flush()
        elif then == "end":
            outboxes[name].expect_end()
        elif then == "turn":
            await turns(1)
            wire.log.append(("turn", b""))
        elif then == "time":
            now += MAX_TURN_SECONDS
    await turns(MAX_END_TURNS + 1)
    return wire.log


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from((0, 1, 9, MAX_WAITING_BYTES - 8, MAX_WAITING_BYTES)),
            st.booleans(),
            st.sampled_from(("flush", "end", "turn", "time", "")),
        ),
        max_size=12,
    )
)
async def test_pieces_of_streams_go_out_as_all_does(steps: list[tuple[str, int, bool, str]]) -> None:
    """At the same time and in the same writes as where each is ``put``, whether it came as a chunk or is made one."""
    assert await log_of(steps, is_put=False) == await log_of(steps, is_put=True)


async def test_a_stream_is_told_whether_its_client_takes_more() -> None:
    """With each piece, and also where there is none."""
    flow = Flow()
    write = Wire().outbox(Turn()).chunk_writer(flow)
    assert all((write(b"a"), write(b""), write(b"b", b"1\r\nb\r\n")))
    flow.write_paused = True
    assert not any((write(b"a"), write(b""), write(b"b", b"1\r\nb\r\n")))


async def test_what_is_much_goes_out_at_once() -> None:
    """So that a client that takes no more is noticed before more is read; what comes behind it waits again."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    outbox.put(b"x" * MAX_WAITING_BYTES)
    assert wire.log == []
    outbox.put(b"y")
    assert wire.log == [("a", b"x" * MAX_WAITING_BYTES + b"y")]
    outbox.put(b"z")
    assert len(wire.log) == 1
    await turns(2)
    assert wire.log[1:] == [("a", b"z")]


@pytest.mark.parametrize(("end", "mark"), [("close", CLOSE), ("abort", ABORT)])
async def test_a_connection_is_closed_behind_what_was_put(end: str, mark: bytes) -> None:
    """An answer is not lost because its connection is closed in the same turn."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    outbox.put(b"all of it")
    getattr(outbox, end)()
    await turns(1)
    assert wire.log == [("a", b"all of it"), ("a", mark)]


async def test_who_is_gone_gets_nothing() -> None:
    """A write to a closed transport raises in some event loops; what comes behind an end is not written."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    outbox.close()
    outbox.put(b"late")
    await turns(1)
    assert wire.log == [("a", CLOSE)]


async def test_a_fault_of_one_connection_is_not_another_s() -> None:
    """It is closed; the others' bytes go out in this turn, and its own later ones do not come back."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    broken, sound = wire.outbox(turn, "broken"), wire.outbox(turn)
    broken.put(b"1")
    sound.put(b"2")
    await turns(2)
    assert wire.log == [("broken", ABORT), ("a", b"2")]
    broken.put(b"3")
    await turns(1)
    assert wire.log == [("broken", ABORT), ("a", b"2")]


async def test_nothing_waits_long_for_what_computes_in_the_same_turn() -> None:
    """Once a turn takes long, what waits is out before more is put: another connection's, and the same one's."""
    now = 0.0
    wire, turn = Wire(), Turn(lambda: now)
    first, second = wire.outbox(turn), wire.outbox(turn, "b")
    first.put(b"1")
    now += MAX_TURN_SECONDS / 2
    second.put(b"2")
    assert wire.log == [], "so far it is one turn like any"
    now += MAX_TURN_SECONDS
    second.put(b"3")
    assert wire.log == [("a", b"1"), ("b", b"2")]
    now += MAX_TURN_SECONDS / 2
    first.put(b"4")
    assert len(wire.log) == 2, "the time is counted anew"
    await turns(2)
    assert wire.log[2:] == [("b", b"3"), ("a", b"4")]


async def test_what_waits_for_its_stream_s_end_goes_out_with_it() -> None:
    """In one write, while what others put goes out at the end of each turn; the next piece waits for one turn again."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    ending, other = wire.outbox(turn), wire.outbox(turn, "b")
    ending.put(b"1")
    ending.expect_end()
    other.put(b"2")
    await turns(2)
    assert wire.log == [("b", b"2")]
    other.put(b"3")
    await turns(1)
    assert wire.log == [("b", b"2"), ("b", b"3")]
    ending.put(b"4")
    await turns(1)
    assert wire.log[2:] == [("a", b"14")]
    ending.put(b"5")
    await turns(1)
    assert wire.log[3:] == [("a", b"5")]


async def test_no_end_is_waited_for_long() -> None:
    """What does not follow soon is not waited for; who has nothing to write waits for nothing."""
    now = 0.0
    wire, turn = Wire(), Turn(lambda: now)
    outbox = wire.outbox(turn)
    outbox.put(b"1")
    outbox.expect_end()
    await turns(MAX_END_TURNS)
    assert wire.log == []
    await turns(1)
    assert wire.log == [("a", b"1")]
    outbox.expect_end()
    outbox.put(b"2")
    await turns(1)
    assert wire.log[1:] == [("a", b"2")]
    outbox.put(b"3")
    outbox.expect_end()
    now += 2 * MAX_TURN_SECONDS
    await turns(1)
    assert wire.log[2:] == [("a", b"3")], "nor in turns that take long"


async def test_others_in_a_long_turn_end_no_wait() -> None:
    """They are written out in its middle, however often: what waits for an end is not, and waits as many turns."""
    now = 0.0
    wire, turn = Wire(), Turn(lambda: now)
    ending, other = wire.outbox(turn), wire.outbox(turn, "b")
    for number in range(3):
        other.put(b"%d" % number)
        now += 2 * MAX_TURN_SECONDS
    ending.put(b"x")
    ending.expect_end()
    other.put(b"3")
    await turns(3)
    assert wire.log == [("b", b"0"), ("b", b"1"), ("b", b"2"), ("b", b"3")]
    ending.put(b"y")
    await turns(1)
    assert wire.log[4:] == [("a", b"xy")]


async def test_what_was_much_ends_no_wait() -> None:
    """It went out at once, and its outbox is among those of this turn more than once."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    for _ in range(3):
        outbox.put(b"x" * (MAX_WAITING_BYTES + 1))
    outbox.put(b"1")
    outbox.expect_end()
    await turns(MAX_END_TURNS)
    assert len(wire.log) == 3
    outbox.put(b"2")
    await turns(1)
    assert wire.log[3:] == [("a", b"12")]


@pytest.mark.parametrize("end", ["flush", "close", "abort"])
async def test_what_waits_for_an_end_is_written_when_it_must_be(end: str) -> None:
    """Before the connection is closed; and what comes behind it waits for one turn."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    outbox = wire.outbox(turn)
    outbox.put(b"1")
    outbox.expect_end()
    getattr(outbox, end)()
    assert wire.log[0] == ("a", b"1")
    outbox.put(b"2")
    await turns(2)
    assert wire.log[-1] == (("a", b"2") if end == "flush" else ("a", CLOSE if end == "close" else ABORT))


async def test_a_broken_connection_waits_for_no_end() -> None:
    """It is closed when its turns are over, once."""
    wire, turn = Wire(), Turn(lambda: 0.0)
    broken = wire.outbox(turn, "broken")
    broken.put(b"1")
    broken.expect_end()
    await turns(2 * MAX_END_TURNS)
    assert wire.log == [("broken", ABORT)]


async def test_an_idle_hour_is_no_long_turn() -> None:
    """What comes first in a turn waits for its end, however long nothing came before."""
    now = 0.0
    wire, turn = Wire(), Turn(lambda: now)
    outbox = wire.outbox(turn)
    outbox.put(b"1")
    await turns(1)
    now += 3600
    outbox.put(b"2")
    outbox.put(b"3")
    await turns(1)
    assert wire.log == [("a", b"1"), ("a", b"23")]
