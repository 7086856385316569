"""Lines of the access log: what is in them, and what a target that is slow, full or gone costs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.access_log import AccessLog, encode_line, line_of
from gateway.recording.keeping import Keeping
from gateway.settings import AccessLogSettings
from gateway.snapshot import App
from gateway.telemetry import GatewayMetrics
from sluice.privacy.bodies import BodyRedactor
from sluice.privacy.settings import BodyPolicy, RulesSettings
from tests.gateway.test_exchange import an_exchange

APP = App(1, "tests", 7, frozenset({1}), "default")


def keeping(policy: BodyPolicy = "full") -> Keeping:
    """Of a gateway whose apps say nothing themselves."""
    return Keeping(policy, BodyRedactor(RulesSettings()), 1_000)


class Bench:
    """A log and its target, which waits where ``gate`` is not set, and fails where ``fails``."""

    def __init__(self, max_queued_bytes: int = 1 << 20) -> None:
        self.data = b""
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False
        self.entered = threading.Event()
        self.metrics = GatewayMetrics()
        settings = AccessLogSettings(to="stdout", max_queued_bytes=max_queued_bytes)
        self.log = AccessLog(settings, self, keeping(), self.metrics, "w0")

    def write(self, data: bytes) -> None:
        """As a target does."""
        self.entered.set()
        self.gate.wait()
        if self.fails:
            raise OSError(28, "No space left on device")
        self.data += data

    def outcomes(self) -> dict[str, int]:
        """What became of how many lines."""
        return {labels[0]: count for labels, count in self.metrics.access_lines.series()}

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Run the task until it is so, then end it."""
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.log.run())
            while not condition():  # noqa: ASYNC110 - another task's end, and a thread's
                await asyncio.sleep(0.002)
            running.cancel()


def note(bench: Bench, count: int) -> None:
    """So many exchanges end."""
    for _ in range(count):
        bench.log.note(an_exchange(outcome="ok"))


async def test_lines_are_written_in_their_order_and_counted() -> None:
    """By the task, and the last ones at the end."""
    bench = Bench()
    for status in (200, 201):
        bench.log.note(an_exchange(outcome="ok", response_code=status))
    await bench.run_until(lambda: bench.outcomes() == {"written": 2})
    bench.log.note(an_exchange(outcome="ok", response_code=202))
    await bench.log.close()
    assert [orjson.loads(line)["status"] for line in bench.data.splitlines()] == [200, 201, 202]
    assert bench.outcomes() == {"written": 3}


async def test_a_target_that_hangs_costs_lines_alone() -> None:
    """The loop goes on; memory has a bound; what finds it reached is dropped and counted; a stop does not wait long."""
    bench = Bench(max_queued_bytes=10_000)
    bench.gate.clear()
    note(bench, 3)
    await bench.run_until(bench.entered.is_set)
    note(bench, 10_000)
    dropped = bench.outcomes()["dropped"]
    assert 9_900 < dropped < 10_000
    async with asyncio.timeout(20):  # it has a second; a hang would be for ever
        await bench.log.close()
    assert bench.outcomes() == {"dropped": dropped, "unsent": 10_003 - dropped}
    bench.gate.set()


async def test_a_target_that_fails_is_told_once() -> None:
    """Its lines are lost and counted; when it takes lines again that is told too."""
    bench = Bench()
    bench.fails = True
    with capture_logs() as logs:
        for count in (1, 2):
            note(bench, 5)
            await bench.run_until(lambda: bench.outcomes().get("failed") == 5 * count)  # noqa: B023 - within the loop
        bench.fails = False
        note(bench, 1)
        await bench.run_until(lambda: bench.outcomes().get("written") == 1)
    assert [line["event"] for line in logs] == ["access log cannot be written", "access log is written again"]


async def test_what_was_in_hand_at_the_end_is_written_once() -> None:
    """The task was ended while a thread wrote: no line twice, none lost."""
    bench = Bench()
    bench.gate.clear()
    note(bench, 2)
    await bench.run_until(bench.entered.is_set)
    note(bench, 1)
    bench.gate.set()
    await bench.log.close()
    assert (bench.data.count(b"\n"), bench.outcomes()) == (3, {"written": 3})


@pytest.mark.parametrize(
    ("policy", "shows_name", "address"),
    [("full", True, "10.1.2.3"), ("redacted", False, "10.1.2.3"), ("none", True, "")],
)
def test_an_app_s_policy_holds_here_too(policy: BodyPolicy, shows_name: bool, address: str) -> None:
    """What its events do not say the access log does not say either."""
    exchange = an_exchange(outcome="ok", app=APP, path="/a/jane@example.com", remote_addr="10.1.2.3")
    line = orjson.loads(line_of(exchange, keeping(policy), "w0"))
    assert line["remote_addr"] == address
    assert ("jane" in line["path"]) == shows_name


def test_no_line_holds_a_body_a_query_or_a_header() -> None:
    """Of either side."""
    exchange = an_exchange(
        outcome="ok", body=b"the-prompt", query=b"key=secret", headers=[(b"authorization", b"Bearer t")],
        response_copy=[b"the-answer"], error_message="the vendor's words",
    )  # fmt: skip
    line = line_of(exchange, keeping(), "w0")
    assert not any(secret in line for secret in (b"the-prompt", b"secret", b"Bearer", b"the-answer", b"words"))


def test_what_clients_choose_is_cut() -> None:
    """A line has a bound."""
    exchange = an_exchange(outcome="ok", model="m" * 99_999, path="/" + "p" * 99_999, method="M" * 999)
    assert len(line_of(exchange, keeping(), "w0")) < 4_000


@given(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.text(), st.text('\ud800\udfff\x7f\x85\x9b\u2028\u202e\n\r\x1b"\\'))
    )
)
def test_a_line_is_one_line_whatever_is_in_it(fields: dict[str, Any]) -> None:
    """Nothing ends it early, nothing in it moves a terminal's cursor, and the texts come back as they were."""
    line = encode_line(fields)
    text = line.decode()
    assert (text.count("\n"), text[-1]) == (1, "\n")
    assert text.splitlines() == [text[:-1]]
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 or letter == "\u202e" for letter in text[:-1])
    if "\\ud" not in text:
        assert orjson.loads(line) == fields
