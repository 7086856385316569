"""Recovery: an exchange that a kill cut is recorded once, under the dead boot's ids, and charged by the rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.budget_rows import Budget, BudgetRows
from gateway.access.ledger import APP
from gateway.access.settlement import Worth
from gateway.access.shared_table import OPEN, REQUESTS, SPENT, SharedTable
from gateway.access.shared_table import RESERVED as RESERVED_CELL
from gateway.recording.inflight import FILE_NAME, InFlight, InFlightFile
from gateway.recording.recovery import ChargeRule, interrupted_events, recover
from schemas.events import Kind
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.reader import JournalReader
from sluice.money.base_prices import read_base_prices
from sluice.money.cost import cost_nanos
from sluice.money.prices import PriceTable
from sluice.money.usage import Usage
from tests.gateway.recording.test_inflight import fill, in_flight
from tests.gateway.test_exchange import a_snapshot
from tests.sluice.eventlog.journal.making import BOOK, BOOT, TOPICS, begun, exchange, ids_in, opened, sequences_in

PRICES = a_snapshot()[0].prices
RESERVED, SEEN = ChargeRule("reserved", PRICES), ChargeRule("seen", PRICES)


def decoded(cut: InFlight, rule: ChargeRule = RESERVED) -> dict[Kind, dict[str, Any]]:
    """The events of what a slot holds."""
    return dict(BOOK.decode(event.value(at)) for at, event in enumerate(interrupted_events(cut, BOOT, rule)))


async def killed(directory: Path, *cut: InFlight, recorded: int = 0) -> list[str]:
    """A boot that recorded some exchanges and was killed with these in flight; the ids of those recorded."""
    journal = begun(directory)
    file = InFlightFile(directory / FILE_NAME, 8)
    for each in cut:
        segment, size = journal.mark()
        values = {field: getattr(each, field) for field in InFlight.__annotations__}
        fill(file, InFlight(**{**values, "segment": segment, "segment_bytes": size}))
    written = [exchange() for _ in range(recorded)]
    for events in written:
        journal.write_now(events)
    file.close()
    journal._lock.release()  # what a kill does: nothing is closed, the lock is gone
    return [event.event_id for events in written for event in events]


async def recovered(directory: Path, rule: ChargeRule = RESERVED) -> tuple[int, Journal]:
    """What the next boot finds."""
    journal, table = opened(directory), SharedTable(directory / "access", "w0", max_rows=64)
    try:
        return recover(journal, directory, rule, TOPICS, table), journal
    finally:
        table.close()


def reports_in(directory: Path) -> list[dict[str, Any]]:
    """The gateway reports of a journal."""
    reader, found = JournalReader(directory), []
    while records := reader.read(1000):
        found += [
            orjson.loads(each.value) for each in records if each.value and each.topic == TOPICS.gateway_report.name
        ]
    reader.close()
    return found


def numbers_in(directory: Path) -> dict[Kind, list[int]]:
    """The sequence numbers of each kind; the sample events name no boot, those of a slot do."""
    found: dict[Kind, list[int]] = {}
    for (_, kind), numbers in sequences_in(directory).items():
        found[kind] = sorted([*found.get(kind, []), *numbers])
    return found


def open_slots(directory: Path) -> list[InFlight]:
    """What is still in flight."""
    file = InFlightFile(directory / FILE_NAME, 0)
    found = [cut for _, cut in file.open_slots()]
    file.close()
    return found


async def test_what_was_cut_is_recorded_once(tmp_path: Path) -> None:
    """The slots are cleared and a closing report is written; the boot after that finds nothing to do."""
    cut = [in_flight(1), in_flight(2)]
    before = await killed(tmp_path, *cut, recorded=1)
    count, journal = await recovered(tmp_path)
    await journal.close()
    assert count == 2
    assert open_slots(tmp_path) == []
    expected = {each.exchange_id + suffix for each in cut for suffix in ("-p", "-a", "-b")}
    assert set(ids_in(tmp_path)) == expected | set(before)
    (report,) = reports_in(tmp_path)
    assert (report["boot_id"], report["adopted"], report["outcomes"]) == ("boot-1", True, {"interrupted": 2})
    again, journal = await recovered(tmp_path)
    await journal.close()
    assert again == 0
    assert len(ids_in(tmp_path)) == 9


async def test_sequences_of_the_dead_boot_go_on(tmp_path: Path) -> None:
    """None is missing and none is given twice, so that whoever counts them sees no loss."""
    await killed(tmp_path, in_flight(1), in_flight(2), recorded=3)
    _, journal = await recovered(tmp_path)
    await journal.close()
    for numbers in numbers_in(tmp_path).values():
        assert numbers == list(range(numbers[0], numbers[0] + 5))


async def test_what_did_reach_the_journal_is_not_recorded_again(tmp_path: Path) -> None:
    """A kill between the record and the clearing of its slot: the exchange is there, whole."""
    journal = begun(tmp_path)
    file = InFlightFile(tmp_path / FILE_NAME, 2)
    segment, size = journal.mark()
    fill(file, in_flight(1, segment=segment, segment_bytes=size))
    fill(file, in_flight(2, segment=segment, segment_bytes=size))
    journal.write_now(exchange(exchange_id=in_flight(1).exchange_id))
    file.close()
    journal._lock.release()
    count, journal = await recovered(tmp_path)
    await journal.close()
    assert count == 1
    assert open_slots(tmp_path) == []
    ids = ids_in(tmp_path)
    assert len(ids) == len(set(ids)) == 6


async def test_a_kill_with_nothing_in_flight_still_has_its_report(tmp_path: Path) -> None:
    """The boot did not close itself: somebody says how far it came."""
    await killed(tmp_path, recorded=2)
    count, journal = await recovered(tmp_path)
    await journal.close()
    assert count == 0
    (report,) = reports_in(tmp_path)
    assert report["outcomes"] == {"interrupted": 0}
    assert report["last_sequences"] == {kind: numbers[-1] for kind, numbers in numbers_in(tmp_path).items()}


async def test_a_boot_that_closed_itself_is_left_alone(tmp_path: Path) -> None:
    """Nothing is begun in its name."""
    journal = begun(tmp_path)
    InFlightFile(tmp_path / FILE_NAME, 2).close()
    journal.write_now(exchange())
    await journal.close()
    count, journal = await recovered(tmp_path)
    await journal.close()
    assert count == 0
    assert reports_in(tmp_path) == []


async def test_a_slot_that_a_failed_commit_left_is_recorded_after_a_clean_end(tmp_path: Path) -> None:
    """What the log could not take then, it takes now."""
    journal = begun(tmp_path)
    file = InFlightFile(tmp_path / FILE_NAME, 2)
    fill(file, in_flight(1))
    file.close()
    await journal.close()
    count, journal = await recovered(tmp_path)
    await journal.close()
    assert count == 1


@pytest.mark.parametrize("has_file", [True, False])
async def test_a_new_directory_has_nothing_to_recover(tmp_path: Path, has_file: bool) -> None:
    """No boot was there before, or it had no in-flight file."""
    if has_file:
        InFlightFile(tmp_path / FILE_NAME, 2).close()
    else:
        await killed(tmp_path, recorded=1)
        (tmp_path / FILE_NAME).unlink()
    count, journal = await recovered(tmp_path)
    await journal.close()
    assert count == 0


def test_interrupted_events_say_what_is_known() -> None:
    """Who, what and how much passed; nothing that is not known is made up."""
    events = decoded(in_flight(1, response_bytes=100, sse_frames=7))
    assert set(events) == {"proxy_log", "analytics", "budget"}
    for event in events.values():
        assert (event["outcome"], event["boot_id"], event["app_id"], event["user_id"]) == (
            "interrupted",
            "boot-1",
            1,
            7,
        )
        assert (event["llm_id"], event["llm_slug"], event["request_id"]) == (3, "demo", "request-1")
    log, analytics = events["proxy_log"], events["analytics"]
    assert (log["method"], log["path"], log["model_name"]) == ("POST", "/chat/completions", "gpt-4o")
    assert (log["response_code"], log["request_body"], log["response_body"]) == (None, None, None)
    assert (log["request_body_bytes"], log["response_body_bytes"], log["partial"]) == (99, 100, True)
    assert (analytics["prompt_tokens"], analytics["response_tokens"], analytics["total_tokens"]) == (25, 7, 32)
    assert (log["request_body_truncated"], log["response_body_truncated"]) == (True, True)
    assert (analytics["model_name"], events["budget"]["model_name"]) == ("gpt-4o", "gpt-4o")
    assert (analytics["tool_calls"], analytics["choices"], analytics["cost_status"]) == (0, 0, "estimated")
    assert (events["budget"]["prompt_tokens"], events["budget"]["completion_tokens"]) == (25, 7)
    assert [attempt["may_be_billed"] for attempt in analytics["attempts"]] == [True]


@pytest.mark.parametrize(
    ("values", "response_tokens"),
    [({"is_stream": True, "sse_frames": 7, "response_bytes": 999}, 7), ({"is_stream": False, "response_bytes": 9}, 3)],
)
def test_what_was_seen_is_charged_as_seen(values: dict[str, Any], response_tokens: int) -> None:
    """Frames of a stream, a quarter of the bytes of anything else; the reserved sum is what was held."""
    cut = in_flight(1, **values)
    price = PRICES.find("openai", "gpt-4o", cut.occurred_at)
    assert price
    cost = cost_nanos(price, Usage(25, response_tokens))
    events = decoded(cut, SEEN)
    assert events["analytics"]["cost_nanos"] == events["budget"]["cost_nanos"] == cost
    assert decoded(cut, RESERVED)["budget"]["cost_nanos"] == cut.reserved_nanos
    assert events["budget"]["reserved_nanos"] == cut.reserved_nanos
    assert [charge["scope_id"] for charge in events["budget"]["charges"]] == ["1", "3", "1:3"]


def test_a_base_price_is_found_by_its_id() -> None:
    """Although the model's name says nothing, and another row of it holds by now; the event says which it was."""
    table = PriceTable([], read_base_prices())
    rule = ChargeRule("seen", table)
    cut = in_flight(1, model="renamed", price_id="base:openai/o3", is_stream=True, sse_frames=7)
    analytics = decoded(cut, rule)["analytics"]
    assert (analytics["price_id"], analytics["cost_nanos"]) == ("base:openai/o3", 25 * 10_000 + 7 * 40_000)
    assert table.base
    assert analytics["price_version"] == table.base.version
    gone = decoded(in_flight(1, model="gpt-4o-mini", price_id="base:openai/gone"), rule)["analytics"]
    assert gone["price_id"] == "base:openai/gpt-4o-mini"


@pytest.mark.parametrize("values", [{"model": ""}, {"model": "unpriced"}])
def test_without_a_price_nothing_is_charged(values: dict[str, Any]) -> None:
    """Unpriced, and no budget event."""
    events = decoded(in_flight(1, price_id="", reserved_nanos=0, **values))
    assert set(events) == {"proxy_log", "analytics"}
    assert events["proxy_log"]["model_name"] == events["analytics"]["model_name"] == (values["model"] or None)
    assert (events["analytics"]["cost_nanos"], events["analytics"]["cost_status"]) == (None, "unpriced")


def test_a_price_that_was_removed_since_still_charges_what_was_reserved() -> None:
    """The rule that the operator chose holds for what was admitted under it; ``seen`` needs a price to multiply."""
    cut = in_flight(1, model="renamed", price_id="gone")
    assert decoded(cut, RESERVED)["budget"]["cost_nanos"] == cut.reserved_nanos
    assert "budget" not in decoded(cut, SEEN)


def test_the_price_is_the_one_pinned_at_admission() -> None:
    """By its id, also where the model has another by now."""
    cut = in_flight(1, model="renamed")
    assert decoded(cut, SEEN)["analytics"]["price_id"] == "gpt"


def test_what_never_passed_was_not_cut() -> None:
    """No body was sent, none came; an id of 0 stands for none; a clock that went back makes no time negative."""
    cut = in_flight(1, request_bytes=0, user_id=0, model="", occurred_at=1 << 52, is_stream=False)
    events = decoded(cut)
    log, analytics = events["proxy_log"], events["analytics"]
    assert (log["request_body_truncated"], log["response_body_truncated"], log["user_id"]) == (False, False, None)
    assert (log["total_micros"], analytics["total_micros"]) == (0, 0)
    assert (analytics["prompt_tokens"], analytics["response_tokens"]) == (0, 0)


def test_a_charge_of_nothing_is_no_budget_event() -> None:
    """Priced at zero is exact enough."""
    assert set(decoded(in_flight(1, reserved_nanos=0))) == {"proxy_log", "analytics"}


@settings(deadline=None, max_examples=50)
@given(
    st.text(max_size=20), st.text(max_size=20), st.integers(0, 1 << 40), st.integers(0, 1 << 40),
    st.integers(0, 1 << 50), st.integers(-(1 << 50), 1 << 51),
)  # fmt: skip
def test_whatever_a_slot_holds_can_be_recorded(
    model: str, method_path: str, size: int, frames: int, reserved: int, occurred_at: int
) -> None:
    """A file that a crash left may hold anything: its events encode, and decode."""
    cut = in_flight(
        1, model=model, method_path=method_path, request_bytes=size, response_bytes=size, sse_frames=frames,
        reserved_nanos=reserved, occurred_at=occurred_at,
    )  # fmt: skip
    for rule in (RESERVED, SEEN):
        assert decoded(cut, rule)["proxy_log"]["exchange_id"] == cut.exchange_id


class Held:
    """A worker's directory in which exchanges hold 12,345 of an app's budget each, then the worker was killed."""

    def __init__(self, folder: Path) -> None:
        self.directory = folder
        self.journal = begun(folder)
        self.file = InFlightFile(folder / FILE_NAME, 8)
        self.table = SharedTable(folder / "access", "w0", max_rows=64)
        self.recorded: list[str] = []

    def hold(self, number: int, **values: Any) -> int:
        """One exchange under way, in its slot."""
        budget = Budget((APP, 1, 0, 0), 1 << 60, 1 << 40)
        rows = BudgetRows(self.table).hold([budget], 12_345, anyway=True)
        assert isinstance(rows, tuple)
        segment, size = self.journal.mark()
        return fill(self.file, in_flight(number, rows=rows, segment=segment, segment_bytes=size, **values))

    def record(self, slot: int) -> None:
        """Its events are durable; the kill comes before anything else."""
        self.journal.write_now(exchange(exchange_id=self.file.read(slot).exchange_id))

    def recovered(self, rule: ChargeRule = RESERVED) -> tuple[int, list[tuple[int, int, int, int]]]:
        """How many were cut, and what each budget's row has then: spent, requests, reserved, open."""
        self.file.close()
        self.table.close()
        self.journal._lock.release()
        journal, table = opened(self.directory), SharedTable(self.directory / "access", "w0", max_rows=64)
        cut = recover(journal, self.directory, rule, TOPICS, table)
        cells = (SPENT, REQUESTS, RESERVED_CELL, OPEN)
        found = [tuple(table.total(row, cell) for cell in cells) for row in table.used_rows()]
        table.close()
        journal._lock.release()
        left = InFlightFile(self.directory / FILE_NAME, 0)
        assert not list(left.open_slots())
        left.close()
        return cut, found  # type: ignore[return-value]


async def test_what_was_cut_is_charged_as_its_record_says(tmp_path: Path) -> None:
    """What was held, by default; then nothing is held, and doing it again charges nothing."""
    held = Held(tmp_path)
    for number in (1, 2):
        held.hold(number)
    assert held.recovered() == (2, [(24_690, 2, 0, 0)])
    again = opened(tmp_path)
    table = SharedTable(tmp_path / "access", "w0", max_rows=64)
    assert recover(again, tmp_path, RESERVED, TOPICS, table) == 0
    assert [table.total(row, SPENT) for row in table.used_rows()] == [24_690]
    table.close()


async def test_what_was_recorded_is_charged_what_it_cost(tmp_path: Path) -> None:
    """The slot knows it from before the record; one that was only about to be recorded was cut."""
    held = Held(tmp_path)
    one, other = held.hold(1), held.hold(2)
    for slot in (one, other):
        held.file.price(slot, Worth(700, 1, 2))
    held.record(one)
    assert held.recovered() == (1, [(700 + 12_345, 2, 0, 0)])


async def test_what_was_held_before_there_was_a_slot_is_let_go(tmp_path: Path) -> None:
    """Its vendor was not called."""
    held = Held(tmp_path)
    held.file.clear(held.hold(1))
    assert held.recovered() == (0, [(0, 0, 0, 0)])


async def test_what_was_seen_is_charged_to_the_budget_too(tmp_path: Path) -> None:
    """Where the rule says so: budget and event agree."""
    held = Held(tmp_path)
    cut = held.file.read(held.hold(1, model="gpt-4o-mini"))
    cost = decoded(cut, SEEN)["budget"]["cost_nanos"]
    assert held.recovered(SEEN) == (1, [(cost, 1, 0, 0)])


async def test_an_interrupted_exchange_is_charged_in_the_app_s_period(tmp_path: Path) -> None:
    """Its slot knows day and zone; what a disk made of them is the default."""
    at = 1_700_000_000_000_000
    cut = in_flight(app_reset_day=14, llm_reset_day=15, time_zone="Asia/Tokyo", occurred_at=at)
    assert [charge["period_id"] for charge in decoded(cut)["budget"]["charges"]] == [
        "2023-11-14", "2023-10-15", "2023-11-14",
    ]  # fmt: skip
    broken = in_flight(app_reset_day=0, llm_reset_day=99, time_zone="Asia/To", occurred_at=at)
    assert [charge["period_id"] for charge in decoded(broken)["budget"]["charges"]] == [
        "2023-11-01", "2023-10-28", "2023-11-01",
    ]  # fmt: skip
