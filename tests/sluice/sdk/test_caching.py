"""Tests of ``sluice.sdk.caching``."""

from __future__ import annotations

import asyncio
import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.sdk import BoundedCache, Flight, SingleFlight, fingerprint, is_good_answer, now_seconds, request_fingerprint
from sluice.sdk.testing import ManualClock, make_context, make_request, make_response, make_stream_complete


def test_the_clock_is_the_wall_s() -> None:
    """Seconds of the epoch, of this century."""
    assert 1_700_000_000 < now_seconds() < 4_000_000_000


def test_what_is_too_old_is_forgotten() -> None:
    """At its age, not one moment later; what is put again begins again."""
    clock = ManualClock()
    cache = BoundedCache[str](10_000, 60, clock.seconds)
    assert cache.put("a", "1", 1)
    clock.advance(59)
    assert cache.get("a") == "1"
    clock.advance(1)
    assert (cache.get("a"), len(cache), cache.used_bytes) == (None, 0, 0)
    cache.put("a", "2", 1)
    clock.advance(59)
    assert cache.get("a") == "2"


def test_what_was_not_used_for_longest_makes_room() -> None:
    """Reading is using."""
    cache = BoundedCache[str](1_000, 60)
    cache.put("a", "1", 200)
    cache.put("b", "2", 200)
    assert cache.get("a") == "1"
    cache.put("c", "3", 200)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("1", None, "3")


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    """And empties nothing for it; an older value of its key is gone, as it would be wrong."""
    cache = BoundedCache[str](1_000, 60)
    cache.put("a", "1", 10)
    cache.put("b", "1", 10)
    assert not cache.put("b", "2", 1_000)
    assert (cache.get("a"), cache.get("b")) == ("1", None)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 900)), max_size=60))
def test_the_bound_holds(puts: list[tuple[str, int]]) -> None:
    """Whatever is put, in whatever order, the sum is right and below it."""
    cache = BoundedCache[int](2_000, 60)
    for key, size in puts:
        cache.put(key, size, size)
        assert 0 <= cache.used_bytes <= 2_000
    kept = [found for key in "abcdef" if (found := cache.get(key)) is not None]
    assert cache.used_bytes == sum(kept) + 200 * len(kept)
    cache.clear()
    assert (len(cache), cache.used_bytes) == (0, 0)


async def test_of_many_one_asks_and_the_others_get_its_answer() -> None:
    """However many there are."""
    flights, answers = SingleFlight(), dict[str, str]()

    async def find() -> str | None:
        return answers.get("key")

    flight = await flights.answer("key", find, 60)
    assert isinstance(flight, Flight)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(flights.answer("key", find, 60)) for _ in range(20)]
        await asyncio.sleep(0)
        answers["key"] = "found"
        flight.land()
    assert {task.result() for task in waiting} == {"found"}
    assert len(flights) == 0


async def test_who_waits_too_long_asks_itself() -> None:
    """The late answer of the first one harms nobody."""
    flights = SingleFlight()

    async def find() -> str | None:
        return None

    first = await flights.answer("key", find, 60)
    second = await flights.answer("key", find, 0)
    assert isinstance(first, Flight)
    assert isinstance(second, Flight)
    first.land()
    assert len(flights) == 1
    second.land()
    second.land()
    assert len(flights) == 0


async def test_a_flight_that_is_dropped_lets_the_next_one_ask() -> None:
    """One of those who wait, not all of them."""
    flights = SingleFlight()
    asked: list[str] = []

    async def find() -> str | None:
        return "found" if asked else None

    async def one() -> str:
        found = await flights.answer("key", find, 60)
        if isinstance(found, Flight):
            asked.append(found.key)
            found.land()
            return "asked"
        return found

    flight = await flights.answer("key", find, 60)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(one()) for _ in range(5)]
        await asyncio.sleep(0)
        del flight
        gc.collect()
    assert sorted(task.result() for task in waiting) == ["asked", "found", "found", "found", "found"]


@pytest.mark.parametrize(
    "other",
    [
        b'{ "messages":[{"content":"hi","role":"user"}], "model":"a", "user":"someone", "metadata":{"a":1}}',
        b'{"messages":[{"role":"user","content":"\\u0068i"}],"model":"a"}',
    ],
)
def test_the_same_question_is_the_same(other: bytes) -> None:
    """In whatever order and shape, whoever asks."""
    assert fingerprint(other, ["x"]) == fingerprint(b'{"model":"a","messages":[{"role":"user","content":"hi"}]}', ["x"])


@pytest.mark.parametrize(
    "other",
    [
        b'{"model":"b","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"a","messages":[{"role":"user","content":"hi"}],"temperature":0}',
        b'{"model":"a","messages":[{"role":"user","content":"hi"}],"tools":[]}',
        b'{"model":"a","messages":[{"role":"user","content":"hi"}],"stream":true}',
        b'{"model":"a","model":"x","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"a","messages":[[["content","hi"],["role","user"]]]}',
        b'{"model":"a","messages":[{"role":"user","content":"HI"}]}',
        b'{"model":"a","messages":[{"role":"user","content":"hi"}],"store":true}',
    ],
)
def test_another_question_is_another(other: bytes) -> None:
    """In a member, in the first of two of one name, in the case of a letter; or for another part."""
    question = b'{"model":"a","messages":[{"role":"user","content":"hi"}]}'
    assert fingerprint(other) != fingerprint(question)
    assert fingerprint(question, ["x"]) != fingerprint(question, ["y"])


def test_normalized_texts_differ_in_words_alone() -> None:
    """Case and white space do not count; in names of members they do, as a vendor knows no other."""
    assert fingerprint(b'{"P":"hi"}', normalize=True) != fingerprint(b'{"p":"hi"}', normalize=True)
    first, second = b'{"p":"Hi  there\\n"}', b'{"p":"hi THERE"}'
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(first, normalize=True) == fingerprint(second, normalize=True)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff", b'{"a":' + b"[" * 100_000])
def test_what_is_no_question_has_no_fingerprint(body: bytes) -> None:
    """Nor does it raise."""
    assert fingerprint(body) is None


async def test_a_flight_can_be_dropped_in_any_thread() -> None:
    """As garbage may be; those who wait are woken all the same."""
    flights = SingleFlight()

    async def find() -> str | None:
        return None

    dropped = [await flights.answer("key", find, 60)]
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(flights.answer("key", find, 60))
        await asyncio.sleep(0)
        await asyncio.to_thread(dropped.clear)
    assert isinstance(waiting.result(), Flight)


def test_a_flight_that_outlives_its_loop_harms_nobody() -> None:
    """At the end of a process."""

    async def find() -> str | None:
        return None

    flight = asyncio.run(SingleFlight().answer("key", find, 60))
    assert isinstance(flight, Flight)
    flight.land()
    del flight
    gc.collect()


SAID_IN_TEXT = rb'{"choices":[{"message":{"content":"{\"error\": {}, \"type\": \"error\"}"},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(
    ("body", "is_good"),
    [
        (SAID_IN_TEXT, True),
        (b'{"choices":[],"error":null}', True),
        (b'{"error":{"message":"overloaded"}}', False),
        (b'{"type":"error"}', False),
        (b'{"choices":[{"finish_reason":"error"}]}', False),
        (b"", False),
    ],
)
def test_an_answer_that_says_of_an_error_is_none(body: bytes, is_good: bool) -> None:
    """Whatever its status; what a model says of errors is no error."""
    assert is_good_answer(make_response(body)) is is_good
    assert not is_good_answer(make_response(body, status_code=500))


@pytest.mark.parametrize(
    ("end", "is_good"),
    [
        (b"data: [DONE]\n\n", True),
        (b'event: message_stop\ndata: {"type":"message_stop"}\n\n', True),
        (b'data: {"type": "response.completed"}\n\n', True),
        (b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n', True),
        (b'data: {"type": "response.failed"}\n\ndata: [DONE]\n\n', False),
        (b'data: {"error":{}}\n\ndata: [DONE]\n\n', False),
        (b"event: error\ndata: {}\n\ndata: [DONE]\n\n", False),
        (b"", False),
    ],
)
def test_a_stream_is_whole_where_it_says_so(end: bytes, is_good: bool) -> None:
    """In its vendor's dialect: a connection that closed may have been a vendor that died."""
    body = b'data: {"delta":{"text":"hi"}}\n\n' + end
    assert is_good_answer(make_stream_complete(body)) is is_good
    assert not is_good_answer(make_stream_complete(body, is_whole=False))


def test_a_request_is_what_it_asks_whom() -> None:
    """Its LLM, its upstream, its path, and its vendor's versions; not who asks, unless that is said."""
    ctx, request = make_context(), make_request(b"{}")
    others = [
        request_fingerprint(make_context(llm_slug="other"), request),
        request_fingerprint(make_context(metadata={"upstream_override": "x"}), request),
        request_fingerprint(ctx, make_request(b"{}", path="/x")),
        request_fingerprint(ctx, make_request(b"{}", query="x")),
        request_fingerprint(ctx, make_request(b"{}", headers={"anthropic-version": "2"})),
        request_fingerprint(ctx, request, ["somebody"]),
    ]
    asked = request_fingerprint(make_context(app_id=7), make_request(b"{ }", headers={"authorization": "x"}))
    assert asked == request_fingerprint(ctx, request)
    assert len({asked, *others}) == 1 + len(others)
