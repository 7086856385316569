"""The in-flight file: what was begun and not cleared is found by whoever opens it next, whatever is in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.access.settlement import Worth
from gateway.recording.inflight import InFlight, InFlightFile

MAX = (1 << 63) - 1
INT64 = st.integers(-MAX - 1, MAX)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"), max_size=12)


FILLED = [field for field in InFlight.__struct_fields__ if field not in {"response_bytes", "sse_frames", "worth"}]
"""What is known when a slot is filled."""


def in_flight(number: int = 1, **values: Any) -> InFlight:
    """A slot's content."""
    given_values: dict[str, Any] = {
        "exchange_id": str(uuid.UUID(int=number)), "occurred_at": 1_700_000_000_000_000, "app_id": 1, "user_id": 7,
        "llm_id": 3, "is_stream": True, "reserved_nanos": 12_345, "segment": 2, "segment_bytes": 4096,
        "request_bytes": 99, "llm_slug": "demo", "vendor": "openai", "model": "gpt-4o", "request_id": "request-1",
        "price_id": "gpt", "method_path": "POST /chat/completions",
    }  # fmt: skip
    return InFlight(**{**given_values, **values})


def fill(file: InFlightFile, exchange: InFlight) -> int:
    """The slot that was filled with it, as its vendor is called."""
    return file.fill(*(getattr(exchange, field) for field in FILLED))


def open_in(path: Path, slots: int = 0) -> dict[int, InFlight]:
    """What whoever opens the file next finds."""
    file = InFlightFile(path, slots)
    found = dict(file.open_slots())
    file.close()
    return found


@pytest.fixture(name="path")
def path_of_file(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "inflight"


@pytest.fixture(name="file")
def file_of_three(path: Path) -> Iterator[InFlightFile]:
    """A file of three slots."""
    file = InFlightFile(path, 3)
    yield file
    file.close()


def test_what_was_filled_is_found_without_being_closed(path: Path, file: InFlightFile) -> None:
    """A second opening stands for the next process: the first has flushed nothing and closed nothing."""
    slot = fill(file, in_flight())
    file.progress(slot, 1000, 20)
    assert open_in(path) == {slot: in_flight(response_bytes=1000, sse_frames=20)}


def test_a_stream_writes_its_progress_into_its_own_slot(path: Path, file: InFlightFile) -> None:
    """Found after each piece, by whoever opens the file then; no stream outlives the file's owner."""
    slots = [fill(file, in_flight(number)) for number in range(3)]
    numbers, place = file.progress_of(slots[1])
    for size, frames in ((1, 0), (2**40, 2**33)):
        numbers[place], numbers[place + 1] = size, frames
        seen = in_flight(1, response_bytes=size, sse_frames=frames)
        assert open_in(path) == {slots[0]: in_flight(0), slots[1]: seen, slots[2]: in_flight(2)}
    other = InFlightFile(path.with_name("other"), 1)
    numbers, place = other.progress_of(fill(other, in_flight()))
    other.close()
    with pytest.raises(ValueError, match="released"):
        numbers[place] = 1


def test_what_was_cleared_is_not(path: Path, file: InFlightFile) -> None:
    """One of two."""
    first, second = fill(file, in_flight(1)), fill(file, in_flight(2))
    file.clear(first)
    assert list(open_in(path)) == [second]


def test_slots_are_bounded_and_used_again(file: InFlightFile) -> None:
    """Without a free one the answer is -1; a cleared one is free, and nothing of its past is left."""
    slots = [fill(file, in_flight(number)) for number in range(3)]
    assert len({*slots}) == 3
    assert fill(file, in_flight(4)) == -1
    file.progress(slots[1], 9, 9)
    file.clear(slots[1])
    assert fill(file, in_flight(5, model="", request_id="")) == slots[1]
    assert dict(file.open_slots())[slots[1]] == in_flight(5, model="", request_id="")


def test_open_slots_of_another_life_are_not_given_away(path: Path) -> None:
    """They are kept until they are cleared; the others are free."""
    first = InFlightFile(path, 2)
    kept = fill(first, in_flight(1))
    first.close()
    second = InFlightFile(path, 2)
    assert fill(second, in_flight(2)) not in {-1, kept}
    assert fill(second, in_flight(3)) == -1
    second.clear(kept)
    assert fill(second, in_flight(3)) == kept
    second.close()


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2), (1, 0), (0, 3)])
def test_a_file_only_grows(path: Path, before: int, after: int) -> None:
    """A smaller ``max_in_flight`` loses no exchange, a larger one has its slots; opened again the size is the same."""
    file = InFlightFile(path, before)
    filled = [fill(file, in_flight(number)) for number in range(before)]
    file.close()
    size = path.stat().st_size
    assert set(open_in(path, after)) == set(filled)
    grown = path.stat().st_size
    assert grown == max(size, 64 + 640 * after)
    open_in(path, after)
    assert path.stat().st_size == grown


def test_only_its_owner_may_read_it(path: Path, file: InFlightFile) -> None:
    """Slots name models, paths and request ids."""
    assert path.stat().st_mode & 0o777 == 0o600


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.uuids(), st.lists(INT64, min_size=9, max_size=9), st.lists(TEXT, min_size=6, max_size=6), st.booleans())
def test_a_slot_keeps_everything(
    path: Path, number: uuid.UUID, numbers: list[int], texts: list[str], is_stream: bool
) -> None:
    """Any ids and counts of 64 bits, any texts that fit."""
    counts = ("occurred_at", "app_id", "user_id", "llm_id", "reserved_nanos", "segment", "segment_bytes")
    names = ("llm_slug", "vendor", "model", "request_id", "price_id", "method_path")
    filled = {**dict(zip(counts, numbers[:7], strict=True)), **dict(zip(names, texts, strict=True))}
    file = InFlightFile(path, 1)
    slot = fill(file, in_flight(number.int, is_stream=is_stream, **filled))
    if is_stream:
        longs, place = file.progress_of(slot)
        longs[place], longs[place + 1] = numbers[7:]
    else:
        file.progress(slot, *numbers[7:])
    found = open_in(path)
    file.clear(slot)
    file.close()
    seen = {"response_bytes": numbers[7], "sse_frames": numbers[8]}
    assert found == {slot: in_flight(number.int, is_stream=is_stream, **filled, **seen)}


@pytest.mark.parametrize("model", ["x" * 400, "€" * 400, "\ud800" * 9, "a\x00b"])
def test_texts_that_do_not_fit_are_cut(path: Path, file: InFlightFile, model: str) -> None:
    """What stands before them is whole, and the next slot is untouched."""
    slot, following = fill(file, in_flight(1, model=model)), fill(file, in_flight(2))
    found = open_in(path)
    assert (found[slot].exchange_id, found[slot].llm_slug) == (in_flight(1).exchange_id, "demo")
    assert found[following] == in_flight(2)


def test_a_client_cannot_forge_the_texts_behind_its_model(path: Path, file: InFlightFile) -> None:
    """A model's name is the client's; request id, price and path of the event are not."""
    slot = fill(file, in_flight(model="gpt-4o\x1fforged-id\x1fforged-price\x1fGET /forged"))
    assert open_in(path)[slot].request_id == "request-1"


def test_a_long_model_leaves_the_others_their_room(path: Path, file: InFlightFile) -> None:
    """The recorder cuts a model to 96 characters so that they fit; of four bytes each they do not."""
    slot = fill(file, in_flight(model="😀" * 96))
    assert open_in(path)[slot].request_id == "request-1"


@pytest.mark.parametrize("values", [{"reserved_nanos": MAX + 1}, {"app_id": "one"}, {"exchange_id": "no-uuid"}])
def test_what_cannot_be_kept_leaves_no_half_slot(path: Path, file: InFlightFile, values: dict[str, Any]) -> None:
    """It is raised; the slot is not open."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, the slot stays free
        fill(file, in_flight(**values))
    assert open_in(path) == {}


def test_what_cannot_be_kept_costs_no_slot(file: InFlightFile) -> None:
    """Or a client could use them up."""
    for _ in range(3):
        with pytest.raises(Exception):  # noqa: B017, PT011
            fill(file, in_flight(reserved_nanos=MAX + 1))
    assert fill(file, in_flight()) >= 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=1800))
def test_garbage_in_the_file_breaks_nobody(path: Path, content: bytes) -> None:
    """Whatever a disk gives back: it opens, it can be read and filled."""
    path.write_bytes(content)
    file = InFlightFile(path, 2)
    before = len(list(file.open_slots()))
    filled = 0
    while fill(file, in_flight(filled)) >= 0:
        filled += 1
    assert before + filled >= 2
    assert len(list(file.open_slots())) == before + filled
    file.close()


def test_what_is_held_and_what_it_is_worth_are_kept(path: Path, file: InFlightFile) -> None:
    """Rows of budgets, periods, and from before the record what the record says; it may be written anew."""
    held: dict[str, Any] = {
        "rows": (0, 70_000),
        "app_reset_day": 28,
        "llm_reset_day": 3,
        "time_zone": "America/Argentina/Buenos_Aires",
    }
    slot = fill(file, in_flight(**held))
    assert open_in(path) == {slot: in_flight(**held)}
    for worth in (Worth(5, 6, 7), Worth(MAX, 0, 0)):
        file.price(slot, worth)
        assert open_in(path) == {slot: in_flight(**held, worth=worth)}
    file.clear(slot)
    assert fill(file, in_flight(2)) == slot
    assert open_in(path) == {slot: in_flight(2)}


def test_a_file_of_another_layout_is_begun_anew(path: Path, file: InFlightFile) -> None:
    """Its slots would be read as what they are not."""
    fill(file, in_flight())
    raw = bytearray(path.read_bytes())
    raw[:8] = b"SLIF0001"
    path.write_bytes(raw)
    assert open_in(path) == {}
