"""A plugin as a sink: what it took is never given again, what it did not take comes again, whatever it answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.deliveries import Frame
from collectors.entries import PluginEntry
from collectors.errors import Halt, Retryable
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.interface import Kept, Verdict
from collectors.sinks.plugin import PluginSink
from schemas.codec import SchemaBook
from schemas.events import Kind
from tests.collectors.events import make_record, numbered
from tests.collectors.frames import frame_of_records
from tests.collectors.memory import resident_bytes

BOOK = SchemaBook()

HEAD = """
import asyncio
from sluice.sdk import BasePlugin
from sluice.sdk.capabilities import DataCollector
from sluice.sdk.collecting import BatchResponse, DataCollectionResponse

SEEN = []
ANSWERS = []

async def answer():
    await asyncio.sleep(0)
    found = ANSWERS.pop(0) if ANSWERS else None
    if isinstance(found, type) and issubclass(found, BaseException):
        raise found("it broke on 'a value'")
    if found == "hang":
        await asyncio.Event().wait()
    return found
"""

SINGLY = (
    HEAD
    + """
class Collector(BasePlugin, DataCollector):
    async def handle_analytics(self, ctx, analytics):
        SEEN.append((ctx, analytics))
        return await answer()

    async def handle_proxy_log(self, ctx, log):
        SEEN.append((ctx, log))
        return await answer()
"""
)
IN_FRAMES = (
    HEAD
    + """
class Collector(BasePlugin, DataCollector):
    async def handle_batch(self, ctx, kind, frame):
        SEEN.append((kind, frame))
        return await answer()
"""
)


class Bench:
    """A sink on a plugin in a file, and the plugin's own two lists."""

    def __init__(self, folder: Path, source: str, **settings: Any) -> None:
        (folder / "plugin.py").write_text(source)
        entry = {"name": "mine", "path": "plugin.py", **settings}
        self.entry = PluginEntry.model_validate(entry)
        host = {"data_dir": folder / "data", "plugin_host": {"process": {"start_timeout_seconds": 0.2}}}
        self.sink = PluginSink(self.entry, HostSettings.model_validate(host), folder, ControlSettings())

    @property
    def seen(self) -> list[Any]:
        return list(_globals(self)["SEEN"])

    def answers(self, *found: Any) -> None:
        _globals(self)["ANSWERS"][:] = found

    def response(self, **values: Any) -> Any:
        return _globals(self)["DataCollectionResponse"](**values)

    def ids(self) -> list[str]:
        """Of the events it was given, in order."""
        return [event.event_id for _, event in self.seen]


def _globals(bench: Bench) -> dict[str, Any]:
    [loaded] = bench.sink._host.plugins
    running: Any = loaded.running
    found: dict[str, Any] = vars(sys.modules[type(running.plugin).__module__])
    return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A plugin that takes events one by one."""
    made = Bench(tmp_path, SINGLY)
    await made.sink.start()
    yield made
    await made.sink.close()


@pytest.fixture
async def framed(tmp_path: Path) -> AsyncIterator[Bench]:
    """A plugin that takes frames."""
    made = Bench(tmp_path, IN_FRAMES)
    await made.sink.start()
    yield made
    await made.sink.close()


def frame(count: int, kind: Kind = "analytics") -> Frame:
    """Good events."""
    return frame_of_records(BOOK, numbered(make_record(kind) for _ in range(count)))


def items(bench: Bench, count: int, kind: Kind = "analytics") -> list[Any]:
    """Documents of good events."""
    return list(bench.sink.prepare(frame(count, kind)).documents)


async def write(bench: Bench, count: int = 3) -> Verdict:
    """What becomes of new events."""
    return await bench.sink.write(items(bench, count))


async def test_events_come_typed_and_in_order(bench: Bench) -> None:
    """Each with the context of its exchange, in the runtime of a collector."""
    made = frame(3)
    assert await bench.sink.write(bench.sink.prepare(made).documents) == Verdict()
    assert bench.ids() == made.rows["event_id"].to_list()
    ctx, event = bench.seen[0]
    assert (ctx.runtime, ctx.app_id, ctx.llm_id, ctx.request_id) == ("collector", 7, 3, "r-1")
    assert ctx.exchange_id == event.exchange_id == event.event_id[:36]


async def test_success_and_handled_is_delivered_and_unhandled_is_passed(bench: Bench) -> None:
    """``None`` means both; what was seen and not wanted is delivered too, and counted apart."""
    bench.answers(None, bench.response(), bench.response(handled=False))
    assert await write(bench) == Verdict(passed=[2])


@pytest.mark.parametrize("wrong", [7, "ok", True, {"success": True}, b"x"])
async def test_an_answer_of_the_wrong_type_brings_the_event_again(bench: Bench, wrong: Any) -> None:
    """The reason names the plugin, the method and the type."""
    bench.answers(None, wrong, None)
    verdict = await write(bench)
    assert verdict.retry == [1]
    assert "mine" in str(verdict.cause)
    assert "handle_analytics" in str(verdict.cause)
    assert type(wrong).__name__ in str(verdict.cause)


async def test_half_an_answer_is_none(bench: Bench) -> None:
    """``success="no"`` would be true: only a bool decides."""
    bench.answers(bench.response(success="no"), bench.response(handled=1))
    assert (await write(bench)).retry == [0, 1]


async def test_a_failure_brings_back_what_failed_and_nothing_else(bench: Bench) -> None:
    """Without success, an exception, a SystemExit; the values that an exception quotes are not repeated."""
    bench.answers(None, bench.response(success=False, message="later"), ValueError, SystemExit, None)
    verdict = await write(bench, 5)
    assert verdict.retry == [1, 2, 3]
    assert isinstance(verdict.cause, Retryable)
    assert "a value" not in str(verdict.cause)


async def test_a_hanging_plugin_costs_its_deadline(tmp_path: Path) -> None:
    """Then the event comes again; the others were taken."""
    made = Bench(tmp_path, SINGLY, timeout_ms=1_000)
    await made.sink.start()
    made.answers("hang", None)
    verdict = await write(made, 2)
    assert verdict.retry == [0]
    assert "within 1 s" in str(verdict.cause)
    await made.sink.close()


async def test_a_plugin_that_fails_again_and_again_is_left_alone(bench: Bench) -> None:
    """After five in a row the rest waits uncalled: a plugin that hangs would else cost each event its deadline."""
    bench.answers(*[ValueError] * 100)
    verdict = await write(bench, 100)
    assert len(bench.seen) == 5
    assert sorted(verdict.retry) == list(range(100))


async def test_one_that_never_succeeds_is_in_nobody_s_way(bench: Bench) -> None:
    """Events that fail each time come last: after some writes all the others are delivered."""
    documents = items(bench, 40)
    bad = {id(document) for document in documents[:8]}
    for _ in range(12):
        before = sorted(documents, key=lambda each: each.attempts)
        bench.answers(*[ValueError if id(each) in bad else None for each in before])
        verdict = await bench.sink.write(documents)
        documents = [documents[at] for at in sorted(verdict.retry)]
    assert {id(document) for document in documents} == bad


async def test_after_its_attempts_an_event_is_a_dead_letter(tmp_path: Path) -> None:
    """Where the entry says how many; the others are delivered, and those that were not tried lose none."""
    made = Bench(tmp_path, SINGLY, max_attempts=2)
    await made.sink.start()
    documents = items(made, 3)
    made.answers(ValueError, None, None)
    assert (await made.sink.write(documents)).retry == [0]
    made.answers(ValueError)
    verdict = await made.sink.write(documents[:1])
    assert (verdict.retry, verdict.cause) == ([], None)
    assert verdict.poison[0].reason == "plugin_failed"
    assert "handle_analytics raised ValueError" in verdict.poison[0].detail
    assert "a value" not in verdict.poison[0].detail
    documents = items(made, 10)
    for _ in range(2):
        made.answers(*[ValueError] * 10)
        verdict = await made.sink.write(documents)
    assert (len(verdict.poison), len(verdict.retry)) == (0, 10)
    await made.sink.close()


async def test_of_a_frame_only_what_was_refused_by_name_counts(tmp_path: Path) -> None:
    """One that failed as a whole says of no event that it is the bad one."""
    made = Bench(tmp_path, IN_FRAMES, max_attempts=2)
    await made.sink.start()
    documents, refusal = items(made, 3), {1: made.response(success=False, message="never")}
    for answer in (ValueError, ValueError, ValueError, _globals(made)["BatchResponse"](refusal)):
        made.answers(answer)
        verdict = await made.sink.write(documents)
        assert verdict.poison == {}
    made.answers(_globals(made)["BatchResponse"]({0: made.response(success=False)}))
    verdict = await made.sink.write(documents[1:2])
    assert verdict.poison[0].reason == "plugin_failed"
    await made.sink.close()


async def test_a_plugin_that_waits_for_nothing_leaves_turns_to_others(tmp_path: Path) -> None:
    """Offsets are committed and health is answered in the middle of a large write."""
    made = Bench(tmp_path, SINGLY.replace("return await answer()", "return None"))
    await made.sink.start()
    turns: list[int] = []

    async def look() -> None:
        while len(made.seen) < 500:
            turns.append(len(made.seen))
            await asyncio.sleep(0)

    await asyncio.gather(made.sink.write(items(made, 500)), look())
    assert len(set(turns)) >= 5
    await made.sink.close()


async def test_kinds_it_does_not_take_are_passed(bench: Bench) -> None:
    """A plugin for analytics need not answer for budgets."""
    assert await bench.sink.write(items(bench, 3, "budget")) == Verdict(passed=[0, 1, 2])
    assert bench.seen == []


async def test_no_more_calls_than_the_entry_allows(tmp_path: Path) -> None:
    """``max_concurrent`` holds over all writes together."""
    source = SINGLY.replace("return await answer()", "await asyncio.sleep(0.005); SEEN.append(-1)")
    made = Bench(tmp_path, source, max_concurrent=2)
    await made.sink.start()
    await asyncio.gather(*(made.sink.write(items(made, 3)) for _ in range(4)))
    open_calls = most = 0
    for each in made.seen:
        open_calls += -1 if each == -1 else 1
        most = max(most, open_calls)
    assert most == 2
    await made.sink.close()


async def test_a_frame_comes_whole(framed: Bench) -> None:
    """With the columns of the log: the very frame, and on a retry only the rows that are left."""
    made = frame(4)
    documents = list(framed.sink.prepare(made).documents)
    response = framed.response
    framed.answers(_globals(framed)["BatchResponse"]({1: response(success=False), 3: response(handled=False)}))
    verdict = await framed.sink.write(documents)
    assert (verdict.retry, verdict.passed) == ([1], [3])
    assert await framed.sink.write([documents[1]]) == Verdict()
    (kind, first), (_, second) = framed.seen
    assert kind == "analytics"
    assert first is made.rows
    assert second["event_id"].to_list() == [made.rows["event_id"][1]]


async def test_rows_of_several_frames_come_as_one(framed: Bench) -> None:
    """A batch that was prepared in halves is one call."""
    documents = [*items(framed, 3)[1:], *items(framed, 2)]
    await framed.sink.write(documents)
    [(_, rows)] = framed.seen
    assert rows.height == 4


@pytest.mark.parametrize("wrong", [7, ValueError, "hang", SystemExit])
async def test_a_frame_that_was_not_taken_comes_again_whole(tmp_path: Path, wrong: Any) -> None:
    """An exception, a wrong type, no answer in time."""
    made = Bench(tmp_path, IN_FRAMES, timeout_ms=200)
    await made.sink.start()
    made.answers(wrong)
    verdict = await write(made)
    assert verdict.retry == [0, 1, 2]
    assert "handle_batch" in str(verdict.cause)
    await made.sink.close()


@pytest.mark.parametrize("at", [3, -1, "0", True, None])
async def test_outcomes_of_rows_that_are_not_there_are_refused(framed: Bench, at: Any) -> None:
    """Who miscounts may have lost a row: the frame comes again."""
    framed.answers(_globals(framed)["BatchResponse"]({at: framed.response()}))
    verdict = await write(framed)
    assert verdict.retry == [0, 1, 2]
    assert "rows that are not there" in str(verdict.cause)


@pytest.mark.parametrize(
    ("source", "settings", "problem"),
    [
        ("x = 1", {}, "0 plugins"),
        ("raise SystemExit(3)", {}, "cannot be run"),
        (SINGLY.replace("DataCollector)", "PreAuthHandler)"), {}, "cannot be run"),
        (SINGLY, {"checksum": "0" * 64}, "SHA-256"),
        (SINGLY, {"path": "elsewhere.py"}, "there is no file"),
        (SINGLY + "\n    async def initialize(self, ctx, config): raise OSError('no disk')", {}, "initialize raised"),
    ],
)
async def test_a_plugin_that_cannot_be_loaded_halts_its_service(
    tmp_path: Path, source: str, settings: dict[str, Any], problem: str
) -> None:
    """Somebody must change something; until then nothing is taken, and nothing is lost."""
    made = Bench(tmp_path, source, **settings)
    for _ in range(2):
        with pytest.raises(Halt, match="mine") as caught:
            await made.sink.start()
        assert problem in str(caught.value)
    verdict = await made.sink.write(items(made, 2))
    assert verdict.retry == [0, 1]
    await made.sink.close()


async def test_one_that_is_mended_starts(tmp_path: Path) -> None:
    """``start`` is tried again until it succeeds, and then the plugin is loaded once."""
    made = Bench(tmp_path, "broken(")
    with pytest.raises(Halt):
        await made.sink.start()
    (tmp_path / "plugin.py").write_text(SINGLY)
    await made.sink.start()
    [loaded] = made.sink._host.plugins
    await made.sink.start()
    assert made.sink._host.plugins == (loaded,)
    await made.sink.check()
    await made.sink.close()


async def test_one_that_cannot_be_reached_is_waited_for(tmp_path: Path) -> None:
    """A ``grpc://`` plugin that does not listen may come; it is no halt."""
    made = Bench(tmp_path, "", path="grpc://127.0.0.1:1")
    with pytest.raises(Retryable, match="mine"):
        await made.sink.start()
    await made.sink.close()


async def test_its_life_goes_on_beside_the_writes(bench: Bench) -> None:
    """What keeps its process and its store runs until it is cancelled."""
    assert isinstance(bench.sink, Kept)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.sink.keep(), 0.05)


async def test_what_comes_again_holds_on_to_nothing_else(bench: Bench) -> None:
    """Of each frame one event never succeeds: it alone stays in memory, and comes again as it was."""
    left, body = [], b"x" * 40_000
    before = 0
    for _ in range(41):
        records = numbered(make_record("proxy_log", request_body=body, response_body=body) for _ in range(40))
        made = frame_of_records(BOOK, records)
        documents = bench.sink.prepare(made).documents
        bench.answers(ValueError)
        verdict = await bench.sink.write(documents)
        assert verdict.retry == [0]
        left.append((documents[0], made.rows["event_id"][0]))
        _globals(bench)["SEEN"].clear()
        del documents, made, records
        before = before or resident_bytes()
    assert resident_bytes() - before < 70 << 20  # of 130 MB and more
    for item, _ in left:
        assert await bench.sink.write([item]) == Verdict()
    assert [event.event_id for _, event in bench.seen] == [event_id for _, event_id in left]
