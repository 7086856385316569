"""``sluice tail``: which topics a word means, what is shown of them, and when it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from collectors.operations.conditions import conditions_of
from collectors.operations.running import UsageError
from collectors.operations.tail import TailOptions, show_tail, tail, topics_named
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.places import collector_journal
from sluice.eventlog.settings import JournalSettings
from tests.collectors.events import TOPICS
from tests.collectors.operations.benches import DAMAGED, Seen, letter, log_of
from tests.contracts.eventlog_laws import JournalBench, exchanges, on_durable_logs


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("analytics", ["sluice.analytics.v1"]),
        ("proxy_log", ["sluice.proxy-log.v1"]),
        ("proxy-log", ["sluice.proxy-log.v1"]),
        ("sluice.alert.v1", ["sluice.alert.v1"]),
        ("alert", ["sluice.alert.v1"]),
        ("budget.dlq", ["sluice.budget.v1.dlq"]),
        ("events", ["sluice.proxy-log.v1", "sluice.analytics.v1", "sluice.budget.v1"]),
    ],
)
def test_words_mean_topics(word: str, names: list[str]) -> None:
    """A kind, the middle of a topic's name, all of it, or a group of them."""
    assert sorted(topics_named(word, TOPICS)) == sorted(names)


def test_dead_letters_are_those_of_all_topics() -> None:
    """Those of plugins' payloads too."""
    assert len(topics_named("dead-letters", TOPICS)) == 4


def test_a_word_that_means_none_names_the_nearest() -> None:
    """Or all there are."""
    with pytest.raises(UsageError, match="did you mean analytics"):
        topics_named("analytcs", TOPICS)
    with pytest.raises(UsageError, match=r"there are .*alert.*budget"):
        topics_named("qqq", TOPICS)


@on_durable_logs()
async def test_what_is_there_is_shown_as_json_or_for_eyes(bench: JournalBench) -> None:
    """What cannot be decoded is shown as such, alerts and dead letters beside events; a limit ends it."""
    await bench.commit(exchanges(2))
    alert = Record(bench.topics.alert.name, b"s", orjson.dumps({"kind": "halted", "message": "\x1b[31mred"}))
    await bench.publisher().publish([alert, letter(bench, DAMAGED)])
    log, seen, eyes = log_of(bench), Seen(), Seen(as_json=False)
    for names, count in ((topics_named("events", bench.topics), 6), (topics_named("alert", bench.topics), 7)):
        assert await show_tail(log, names, 0, conditions_of(""), seen.printer, follow=False) == 0
        assert len(seen.lines) == count
    await show_tail(log, topics_named("alert", bench.topics), 0, conditions_of(""), eyes.printer, follow=False)
    await show_tail(log, topics_named("dead-letters", bench.topics), 0, conditions_of(""), eyes.printer, follow=False)
    assert "halted: \\x1b[31mred" in eyes.lines[0]
    assert "undecodable: unknown_schema" in eyes.lines[1]
    assert "\x1b" not in seen.out.getvalue() + eyes.out.getvalue()
    some = Seen()
    await show_tail(log, topics_named("events", bench.topics), 0, conditions_of(""), some.printer, follow=True, limit=4)
    assert len(some.documents) == 4


@on_durable_logs()
async def test_conditions_choose(bench: JournalBench) -> None:
    """By fields of the event; what cannot be decoded fits no condition."""
    await bench.commit(exchanges(3))
    log, seen, first = log_of(bench), Seen(), Seen()
    events = topics_named("events", bench.topics)
    await show_tail(log, events, 0, conditions_of(""), first.printer, follow=False, limit=1)
    some_id = first.documents[0]["event"]["exchange_id"]
    await bench.publisher().publish([letter(bench, DAMAGED)])
    names = (*events, *topics_named("dead-letters", bench.topics))
    await show_tail(log, names, 0, conditions_of(f"exchange_id = '{some_id}'"), seen.printer, follow=False)
    assert {each["event"]["exchange_id"] for each in seen.documents} == {some_id}
    assert sorted(each["kind"] for each in seen.documents) == ["analytics", "budget", "proxy_log"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (TailOptions("analytcs"), "did you mean"),
        (TailOptions(where="ap_id = 7"), "did you mean app_id"),
        (TailOptions(where="app_id"), "write FIELD"),
        (TailOptions(since="soon"), "--from"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_read(
    options: TailOptions, error: str, tmp_path: Path
) -> None:
    """With what was meant."""
    path = tmp_path / "sluice.yaml"
    path.write_text(f"data_dir: {tmp_path}\n")
    with pytest.raises(UsageError, match=error):
        await tail(path, options, Seen().printer)


async def _told(data_dir: Path, alert: dict[str, str]) -> None:
    publisher = JournalPublisher(collector_journal(data_dir, "s"), "s", JournalSettings(), TOPICS)
    await publisher.publish([Record(TOPICS.alert.name, b"s", orjson.dumps(alert))])
    await publisher.close()


def test_ctrl_c_ends_it_with_130(tmp_path: Path) -> None:
    """As the root help says of every command: after what was shown, and without a traceback."""
    asyncio.run(_told(tmp_path, {"kind": "halted", "message": "look here"}))
    (tmp_path / "sluice.yaml").write_text(f"data_dir: {tmp_path}\n")
    command = [sys.executable, "-m", "sluice", "tail", "alert", "--from", "beginning"]
    with subprocess.Popen(
        [*command, "--config", str(tmp_path / "sluice.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "look here" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(60) == 130
