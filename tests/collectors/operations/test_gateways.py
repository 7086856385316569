"""``sluice gateways``: what workers reported, boot by boot, whatever else is in the topic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from collectors.operations.gateways import SILENT_SECONDS, BootReports, gateways, read_boots
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.places import collector_journal
from sluice.eventlog.settings import JournalSettings
from tests.collectors.events import TOPICS
from tests.collectors.operations.benches import Seen, log_of
from tests.contracts.eventlog_laws import JournalBench, on_durable_logs

NOW_MS = 1_764_000_000_000
BOOT = {"gateway_id": "gateway-1", "worker": "w0", "boot_id": "b1"}


def report(**given: Any) -> dict[str, Any]:
    """As a worker writes it."""
    return {**BOOT, "version": "1.0", "closing": False, "started_at": "2025-11-24T16:00:00Z", **given}


def boot(*reports: tuple[int, dict[str, Any]]) -> BootReports:
    """A boot that reported so many seconds ago."""
    made = BootReports("gateway-1", "w0", "b1")
    for ago, body in reports:
        made.add(body, NOW_MS - ago * 1_000)
    return made


def test_numbers_are_absolute_and_steps_are_between_them() -> None:
    """The newest report says all; what was done from one to the next is their difference."""
    first = report(outcomes={"ok": 5}, cost_nanos=50, last_sequences={"proxy_log": 5})
    then = report(outcomes={"ok": 7, "auth_failed": 1}, cost_nanos=80, last_sequences={"proxy_log": 8}, drops={"x": 0})
    shown = boot((130, first), (70, then), (10, then)).as_dict(NOW_MS)
    assert (shown["exchanges"], shown["cost_nanos"], shown["reports"], shown["state"]) == (8, 80, 3, "reports")
    assert [(each["exchanges"], each["cost_nanos"]) for each in shown["steps"]] == [(3, 30), (0, 0)]
    assert (shown["last_sequences"], shown["drops"], shown["version"]) == ({"proxy_log": 8}, {}, "1.0")
    assert shown["longest_pause_seconds"] == 60


def test_who_is_silent_who_ended_and_who_was_killed() -> None:
    """By the last report: silence is only of those that did not say that they end."""
    late = int(SILENT_SECONDS) + 1
    assert boot((late, report())).state(NOW_MS) == "silent"
    assert boot((late - 2, report())).state(NOW_MS) == "reports"
    assert boot((late, report(closing=True))).state(NOW_MS) == "ended"
    adopted = {
        **BOOT,
        "closing": True,
        "adopted": True,
        "outcomes": {"interrupted": 2},
        "last_sequences": {"budget": 9},
    }
    killed = boot((late, report(outcomes={"ok": 5}, cost_nanos=7, last_sequences={"budget": 7})), (late, adopted))
    assert killed.state(NOW_MS) == "killed"
    shown = killed.as_dict(NOW_MS)
    assert (shown["outcomes"], shown["last_sequences"]) == ({"ok": 5, "interrupted": 2}, {"budget": 9})
    assert shown["cost_nanos"] == 7  # who closed it does not know; it had said so itself


def test_lies_in_a_report_are_left_out() -> None:
    """Negative, endless, of other types: no figure of a page comes of them."""
    lies = report(outcomes={"ok": -1, "x": "many", "y": True}, cost_nanos=1 << 70, last_sequences=[1], version=7)
    shown = boot((1, lies)).as_dict(NOW_MS)
    assert (shown["exchanges"], shown["cost_nanos"], shown["last_sequences"], shown["version"]) == (0, 0, {}, None)


@on_durable_logs()
async def test_boots_are_read_from_the_log_and_garbage_is_counted(bench: JournalBench) -> None:
    """Of every worker, each boot by itself; on Kafka and on journals."""
    bodies = [report(), report(boot_id="b2"), report(worker="w1"), report(), {"gateway_id": "gateway-1"}, [1]]
    values = [*map(orjson.dumps, bodies), b"{", None]
    topic = bench.topics.gateway_report.name
    await bench.publisher().publish([Record(topic, b"gateway-1", value) for value in values])
    boots, garbage = await read_boots(log_of(bench), 0)
    assert {(each.worker, each.boot_id, each.reports) for each in boots} == {
        ("w0", "b1", 2), ("w0", "b2", 1), ("w1", "b1", 1),
    }  # fmt: skip
    assert garbage == 4


async def test_the_command_exits_1_where_one_is_silent(tmp_path: Path) -> None:
    """For eyes and for scripts; nobody at all is no error."""
    config = tmp_path / "sluice.yaml"
    config.write_text(f"data_dir: {tmp_path}\n")
    nobody = Seen(as_json=False)
    assert await gateways(config, "-3h", nobody.printer) == 0
    assert "no gateway reported since -3h" in nobody.lines[0]
    publisher = JournalPublisher(collector_journal(tmp_path, "s"), "s", JournalSettings(), TOPICS)
    await publisher.publish([Record(TOPICS.gateway_report.name, b"g", orjson.dumps(report(outcomes={"ok": 3})))])
    await publisher.close()
    seen, eyes = Seen(), Seen(as_json=False)
    assert await gateways(config, "beginning", seen.printer) == 0
    assert (seen.documents[0]["state"], seen.documents[0]["exchanges"]) == ("reports", 3)
    later = lambda: 4_000_000_000_000_000  # noqa: E731 - a clock
    assert await gateways(config, "beginning", eyes.printer, later) == 1
    assert "silent" in eyes.lines[1]
