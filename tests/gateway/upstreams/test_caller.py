"""The call to the vendor: retried only while nothing is charged, every attempt kept, given up when nobody waits."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange
from gateway.outcomes import ClientGone, Overloaded, UpstreamFailed
from gateway.settings import UpstreamSettings
from gateway.upstreams.caller import Caller, fault_outcome, target_of
from gateway.upstreams.client import Timeouts, UpstreamRequest, UpstreamResponse
from gateway.upstreams.failover import Candidate
from gateway.usage import price_exchange
from tests.contracts.scripted_upstream import SECONDS
from tests.gateway.recording.test_recorder import APP, LLM, SNAPSHOT, Bench
from tests.gateway.test_exchange import Upstream, an_exchange

FAULTS: list[Any] = [
    (UpstreamTimeout("first_byte", 3), 504, "upstream_timeout", "timeout_first_byte"),
    (UpstreamTimeout("total", 3), 504, "upstream_timeout", "timeout_total"),
    (UpstreamProtocolError("no HTTP"), 502, "upstream_error", "protocol"),
    (UpstreamUnreachable("refused"), 502, "upstream_unreachable", "unreachable"),
]


class Vendor:
    """A client of vendors whose calls end as they are told, the last one again and again; it keeps what it sends."""

    def __init__(self, *ends: Exception | int | None, before: Callable[[], None] = lambda: None) -> None:
        self.sent: list[UpstreamRequest] = []
        self.waiting = asyncio.Event()
        self.hangs = False
        self.answer = Upstream()
        self.released: list[int] = []
        self._ends = ends or (None,)
        self._before = before

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """The next end."""
        self.sent.append(request)
        self._before()
        if self.hangs:
            self.waiting.set()
            await asyncio.Event().wait()
        end = self._ends[min(len(self.sent), len(self._ends)) - 1]
        if isinstance(end, Exception):
            raise end
        if end is not None:
            self.answer = Upstream()
            self.answer.status = end
            self.answer.release = lambda: self.released.append(end)  # type: ignore[method-assign]
        self.answer.headers = []
        return self.answer

    async def close(self) -> None:
        """Nothing is open."""


class Desk:
    """A caller, its vendor, and an exchange that has come so far."""

    def __init__(self, folder: Path, vendor: Vendor, *, slots: int = 1, **settings: Any) -> None:
        self.vendor = vendor
        self.pauses: list[float] = []
        self.bench = Bench(folder, slots=slots)
        self.caller = Caller(vendor, self.bench.recorder, UpstreamSettings(**settings), self.pause)
        self.exchange = an_exchange(app=APP, llm=LLM, model="gpt-4o", body=b"{}", headers=[(b"x-mine", b"1")])

    async def call(self, **own: Any) -> UpstreamResponse:
        """Step 6, at an LLM with these settings of its own."""
        return await self.caller.call(self.exchange, dataclasses.replace(LLM, **own) if own else LLM)

    async def pause(self, seconds: float) -> None:
        """Remember."""
        self.pauses.append(seconds)

    def may_go_to(self, *slugs: str) -> None:
        """Other LLMs, each for a model of its own name."""
        llms = [dataclasses.replace(LLM, id=at, slug=slug, failover_ids=(1,)) for at, slug in enumerate(slugs, 50)]
        self.exchange.failover = tuple(Candidate(llm, llm.slug, True, None) for llm in llms)

    @property
    def asked(self) -> list[str]:
        """The LLM of each attempt."""
        return [attempt["llm_slug"] for attempt in self.exchange.attempts]

    @property
    def kinds(self) -> list[str]:
        """How each attempt ended."""
        return [attempt["error_kind"] for attempt in self.exchange.attempts]


async def test_an_answer_is_the_exchange_s_as_soon_as_its_head_is_here(tmp_path: Path) -> None:
    """With its status, its moment, and one attempt that may be billed; a slot is held for it."""
    desk = Desk(tmp_path, Vendor())
    assert await desk.call() is desk.vendor.answer
    exchange = desk.exchange
    assert (exchange.upstream, exchange.upstream_status, exchange.upstream_ended_ns) == (desk.vendor.answer, 200, 0)
    assert 0 < exchange.upstream_started_ns <= exchange.first_byte_ns
    (attempt,) = exchange.attempts
    assert attempt["micros"] >= 0
    assert attempt | {"micros": 0} == {
        "llm_id": 1, "llm_slug": "demo", "status": 200, "error_kind": "", "may_be_billed": True, "micros": 0,
    }  # fmt: skip
    assert len(list(desk.bench.inflight.open_slots())) == 1
    assert exchange.task is None


async def test_what_is_sent_is_the_vendor_s(tmp_path: Path) -> None:
    """Its origin, host, base path and key; the client's query, body and own headers; the configured deadlines."""
    desk = Desk(tmp_path, Vendor(), connect_timeout_seconds=1, first_byte_timeout_seconds=2, idle_timeout_seconds=3,
                total_timeout_seconds=4)  # fmt: skip
    desk.exchange.query = b"a=%20"
    await desk.call()
    (sent,) = desk.vendor.sent
    assert (sent.origin, sent.method, sent.target) == (LLM.origin, b"POST", b"/v1/chat/completions?a=%20")
    assert (sent.body, sent.timeouts) == (b"{}", Timeouts(1, 2, 3, 4))
    headers = dict(sent.headers)
    assert len(headers) == len(sent.headers)
    assert (headers[b"host"], headers[b"authorization"]) == (LLM.host, b"Bearer vendor-key")
    assert headers[b"x-mine"] == b"1"
    assert b"content-length" not in headers


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_an_unreachable_vendor_is_tried_again_so_often(tmp_path: Path, retries: int) -> None:
    """Nothing was sent, so nothing is billed; every attempt is kept, under one slot."""
    desk = Desk(tmp_path, Vendor(UpstreamUnreachable("refused")), retries=retries)
    with pytest.raises(UpstreamFailed, match="refused"):
        await desk.call()
    assert desk.kinds == ["unreachable"] * (retries + 1)
    assert len(desk.pauses) == retries
    assert not any(attempt["may_be_billed"] for attempt in desk.exchange.attempts)
    assert len(list(desk.bench.inflight.open_slots())) == 1


async def test_a_retry_that_succeeds_is_an_answer(tmp_path: Path) -> None:
    """Both attempts are kept, in order, the same request sent twice."""
    desk = Desk(tmp_path, Vendor(UpstreamUnreachable("refused"), None))
    await desk.call()
    assert desk.kinds == ["unreachable", ""]
    assert desk.vendor.sent[0] == desk.vendor.sent[1]
    assert desk.exchange.error_kind == ""


@pytest.mark.parametrize(("fault", "status", "outcome", "kind"), FAULTS)
async def test_a_fault_is_an_outcome_and_is_not_repeated_where_it_may_be_billed(
    tmp_path: Path, fault: UpstreamFault, status: int, outcome: str, kind: str
) -> None:
    """The client is told which; a request that may have arrived is never sent twice."""
    desk = Desk(tmp_path, Vendor(fault), retries=5)
    with pytest.raises(UpstreamFailed) as caught:
        await desk.call()
    assert (caught.value.status, caught.value.outcome) == (status, outcome)
    assert fault_outcome(fault) == (status, outcome)
    assert (desk.exchange.error_kind, set(desk.kinds)) == (kind, {kind})
    assert len(desk.vendor.sent) == (1 if fault.may_be_billed else 6)
    assert desk.exchange.upstream is None


@pytest.mark.parametrize(("own", "attempts"), [({}, 1), ({"retry_count": 0}, 1), ({"retry_count": 2}, 3)])
async def test_a_refusal_is_repeated_as_often_as_its_llm_says(
    tmp_path: Path, own: dict[str, int], attempts: int
) -> None:
    """The last one is passed on as it came; those before it were not charged, and their connections are used again."""
    desk = Desk(tmp_path, Vendor(503), retries=5)
    answer = await desk.call(**own)
    assert (answer.status, desk.exchange.upstream_status, len(desk.vendor.sent)) == (503, 503, attempts)
    assert [attempt["status"] for attempt in desk.exchange.attempts] == [503] * attempts
    assert [attempt["may_be_billed"] for attempt in desk.exchange.attempts] == [False] * (attempts - 1) + [True]
    assert (len(desk.vendor.released), len(desk.pauses)) == (attempts - 1, attempts - 1)
    price_exchange(desk.exchange)
    assert (desk.exchange.cost_nanos, desk.exchange.cost_status) == (0, "exact")


async def test_a_refusal_and_then_nobody_is_not_charged(tmp_path: Path) -> None:
    """Nor estimated: a vendor that refused, and then was away, did nothing."""
    desk = Desk(tmp_path, Vendor(503, UpstreamUnreachable("refused")))
    with pytest.raises(UpstreamFailed):
        await desk.call(retry_count=1)
    price_exchange(desk.exchange)
    assert (desk.exchange.cost_nanos, desk.exchange.usage, desk.exchange.upstream_status) == (None, None, None)


async def test_a_client_that_leaves_in_a_pause_is_not_called_for(tmp_path: Path) -> None:
    """The vendor is not asked again, and nothing is charged."""
    desk = Desk(tmp_path, Vendor(429))

    async def pause(_: float) -> None:
        leave(desk.exchange)

    desk.caller = Caller(desk.vendor, desk.bench.recorder, UpstreamSettings(), pause)
    with pytest.raises(ClientGone):
        await desk.call(retry_count=3)
    price_exchange(desk.exchange)
    assert (len(desk.vendor.sent), desk.exchange.cost_nanos) == (1, None)


@pytest.mark.parametrize("end", [*(fault for fault, *_ in FAULTS), 429, 500, 529])
async def test_another_llm_is_asked_where_one_fails(tmp_path: Path, end: Any) -> None:
    """In order, each once it is known that the one before gives no first byte; the first that does is the answer's."""
    desk = Desk(tmp_path, Vendor(end, end, 200), retries=0)
    desk.may_go_to("b", "c", "d")
    assert (await desk.call()).status == 200
    assert desk.asked == ["demo", "b", "c"]
    assert (desk.exchange.served_by is not None, desk.exchange.model) == (True, "c")
    assert b'"c"' in desk.vendor.sent[-1].body
    assert desk.exchange.error_kind == ""


async def test_each_llm_has_its_own_retries(tmp_path: Path) -> None:
    """All of one's before the next."""
    desk = Desk(tmp_path, Vendor(UpstreamUnreachable("refused")), retries=1)
    desk.may_go_to("b")
    with pytest.raises(UpstreamFailed):
        await desk.call(retry_count=2)
    assert desk.asked == ["demo", "demo", "demo", "b", "b"]


async def test_the_last_failure_is_the_client_s(tmp_path: Path) -> None:
    """As it came; what the one before may have charged is estimated, and the refusal of the last adds nothing."""
    desk = Desk(tmp_path, Vendor(UpstreamTimeout("first_byte", 1), 429))
    desk.may_go_to("b")
    desk.exchange.price = SNAPSHOT.prices.find("openai", "gpt-4o", 0)
    desk.exchange.body = b'{"model":"gpt-4o"}'
    assert (await desk.call()).status == 429
    price_exchange(desk.exchange)
    assert (desk.exchange.cost_nanos, desk.exchange.cost_status) == (5 * 150, "estimated")


@pytest.mark.parametrize("refused", [400, 401, 403, 404, 413, 422])
async def test_what_a_vendor_refuses_for_good_is_not_asked_elsewhere(tmp_path: Path, refused: int) -> None:
    """The request is at fault, or our key: another LLM would hide it."""
    desk = Desk(tmp_path, Vendor(refused))
    desk.may_go_to("b")
    assert (await desk.call(retry_count=5)).status == refused
    assert (desk.asked, desk.exchange.served_by) == (["demo"], None)


async def test_nobody_fails_over_for_a_client_that_left(tmp_path: Path) -> None:
    """The vendor's refusal is the end, and is not charged."""
    desk = Desk(tmp_path, Vendor(503, before=lambda: leave(desk.exchange)))
    desk.may_go_to("b")
    await desk.call()
    assert (desk.asked, desk.exchange.served_by) == (["demo"], None)


async def test_an_llm_s_own_time_until_the_first_byte(tmp_path: Path) -> None:
    """Instead of the gateway's, longer or shorter; a connection has to be made within it too."""
    desk = Desk(tmp_path, Vendor(503), connect_timeout_seconds=5, first_byte_timeout_seconds=20)
    for seconds, timeouts in ((2.5, (2.5, 2.5)), (60.0, (5, 60.0))):
        await desk.call(timeout_seconds=seconds)
        sent = desk.vendor.sent[-1].timeouts
        assert (sent.connect_seconds, sent.first_byte_seconds) == timeouts
        assert (sent.idle_seconds, sent.total_seconds) == (120, 600)
        desk.bench.recorder.close(desk.exchange)


async def test_nobody_retries_for_a_client_that_left(tmp_path: Path) -> None:
    """One attempt, whatever is configured."""
    desk = Desk(tmp_path, Vendor(UpstreamUnreachable("refused"), before=lambda: leave(desk.exchange)), retries=5)
    with pytest.raises(UpstreamFailed):
        await desk.call()
    assert desk.kinds == ["unreachable"]


def leave(exchange: Exchange) -> None:
    """What the server does when the connection is lost."""
    exchange.client_left = True


async def test_without_a_slot_the_vendor_is_not_called(tmp_path: Path) -> None:
    """A kill would lose the exchange; 503, and nothing to bill."""
    desk = Desk(tmp_path, Vendor())
    desk.bench.begun()
    with pytest.raises(Overloaded):
        await desk.call()
    assert (desk.vendor.sent, desk.exchange.attempts, desk.exchange.upstream_started_ns) == ([], [], 0)


async def test_a_wait_that_is_given_up_is_the_client_s_leaving(tmp_path: Path) -> None:
    """Only the wait ends: the task goes on to record what was cut, which may be billed."""
    desk = Desk(tmp_path, Vendor())
    desk.vendor.hangs = True

    async def calling() -> None:
        with pytest.raises(ClientGone):
            await desk.call()
        await asyncio.sleep(0)  # a cancellation that was left would strike here

    async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
        task = tasks.create_task(calling())
        await desk.vendor.waiting.wait()
        assert desk.exchange.task is task
        desk.exchange.stop_draining()
    assert not task.cancelled()
    assert (desk.kinds, desk.exchange.partial) == (["cancelled"], True)
    assert desk.exchange.attempts[0]["may_be_billed"]


async def test_a_worker_that_stops_is_obeyed(tmp_path: Path) -> None:
    """A cancellation that is not the sweep's passes, and is no retry; its slot stays for the next boot."""
    desk = Desk(tmp_path, Vendor(), retries=5)
    desk.vendor.hangs = True
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
        task = tasks.create_task(desk.call())
        await desk.vendor.waiting.wait()
        task.cancel()
    assert task.cancelled()
    assert desk.kinds == ["cancelled"]
    assert len(list(desk.bench.inflight.open_slots())) == 1


async def test_a_request_that_cannot_be_sent_costs_nothing(tmp_path: Path) -> None:
    """The client says ValueError before it sends anything: an api key with a line end in it charges nobody."""
    desk = Desk(tmp_path, Vendor(ValueError("a header value holds CR, LF or NUL")), retries=5)
    with pytest.raises(ValueError, match="CR"):
        await desk.call()
    price_exchange(desk.exchange)
    assert len(desk.vendor.sent) == 1
    assert (desk.exchange.cost_nanos, desk.exchange.usage) == (None, None)


async def test_an_answer_is_let_go_where_it_was_not_read_to_its_end(tmp_path: Path) -> None:
    """Its connection is used again; one that was read to its end, or never came, needs nothing."""
    desk, released = Desk(tmp_path, Vendor()), []
    desk.caller.release(desk.exchange)
    answer = await desk.call()
    answer.release = lambda: released.append(1)  # type: ignore[method-assign]
    desk.exchange.upstream_ended_ns = 1
    desk.caller.release(desk.exchange)
    assert released == []
    desk.exchange.upstream_ended_ns = 0
    desk.caller.release(desk.exchange)
    assert released == [1]


@pytest.mark.parametrize(
    ("base", "path", "query", "target"),
    [
        ("/v1", "/chat/completions", b"", b"/v1/chat/completions"),
        ("/v1", "/v1/chat/completions", b"", b"/v1/chat/completions"),
        ("/v1", "/v1", b"", b"/v1"),
        ("/v1", "/v1beta/x", b"", b"/v1/v1beta/x"),
        ("/v1", "/", b"", b"/v1/"),
        ("", "/v1/x", b"", b"/v1/x"),
        ("", "/", b"a=b", b"/?a=b"),
        ("/a/b", "/a/x", b"", b"/a/b/a/x"),
        ("/v1", "/a%2Fb", b"c=%2F&d", b"/v1/a%2Fb?c=%2F&d"),
    ],
)
def test_the_base_path_stands_before_the_client_s_once(base: str, path: str, query: bytes, target: bytes) -> None:
    """Clients that say it themselves are understood; what only looks like it is not it."""
    assert target_of(base, path, query) == target


PATHS = st.lists(st.sampled_from(["v1", "v1x", "a", "%2F", ""]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.sampled_from(["", "/v1", "/a/v1"]), PATHS)
def test_no_path_leaves_the_base_path(base: str, path: str) -> None:
    """Whatever the client asks for is below it; and what is below stays as it is."""
    target = target_of(base, path, b"")
    assert target == base.encode() or target.startswith(base.encode() + b"/")
    assert target_of(base, target.decode(), b"") == target


async def test_an_llm_that_cannot_be_called_is_not(tmp_path: Path) -> None:
    """Its key is not there, say: nothing is sent, and nothing is told of why; whoever it fails over to is asked."""
    desk = Desk(tmp_path, Vendor())
    with pytest.raises(UpstreamFailed) as caught:
        await desk.call(problem="its key is not there: environment variable SECRET_PLACE is not set")
    assert (caught.value.status, caught.value.outcome, desk.asked) == (502, "upstream_unreachable", [])
    assert "SECRET_PLACE" not in caught.value.message
    desk = Desk(tmp_path, Vendor(), slots=2)
    desk.may_go_to("other")
    assert await desk.call(problem="its key is not there") is desk.vendor.answer
    assert desk.asked == ["other"]


class Pen:
    """A signer whose signatures are numbered; its faults are raised."""

    def __init__(self, *faults: UpstreamFault) -> None:
        self.signed = 0
        self.faults = list(faults)

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """A request with one signature more."""
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop(0)
        self.signed += 1
        return msgspec.structs.replace(request, headers=[*request.headers, (b"x-signed", b"%d" % self.signed)])


async def test_each_attempt_is_signed_anew(tmp_path: Path) -> None:
    """From the request without any signature: a retry's is as fresh as the first."""
    pen = Pen()
    desk = Desk(tmp_path, Vendor(UpstreamUnreachable("refused"), None))
    await desk.call(signer=pen, retry_count=1)
    signatures = [[value for name, value in request.headers if name == b"x-signed"] for request in desk.vendor.sent]
    assert signatures == [[b"1"], [b"2"]]


async def test_a_request_that_cannot_be_signed_was_not_sent(tmp_path: Path) -> None:
    """Nothing is billed, and it may be tried again as if the vendor were away."""
    desk = Desk(tmp_path, Vendor())
    with pytest.raises(UpstreamFailed):
        await desk.call(signer=Pen(UpstreamUnreachable("no token")), retry_count=0)
    assert desk.vendor.sent == []
    assert [attempt["may_be_billed"] for attempt in desk.exchange.attempts] == [False]
    (tmp_path / "again").mkdir()
    desk = Desk(tmp_path / "again", Vendor())
    assert await desk.call(signer=Pen(UpstreamUnreachable("no token")), retry_count=1) is desk.vendor.answer


async def test_credentials_in_a_query_stay_here(tmp_path: Path) -> None:
    """The vendor gets the rest of it, byte for byte."""
    desk = Desk(tmp_path, Vendor())
    desk.exchange.query = b"api-version=1&key=sl-token&x=%20"
    await desk.call()
    assert desk.vendor.sent[0].target.endswith(b"?api-version=1&x=%20")
