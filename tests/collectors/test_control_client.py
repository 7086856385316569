"""The client of the control API: bounded, remembered for seconds, and every fault of the other side has a name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from collectors import control_client as module
from collectors.control_client import ControlClient
from collectors.control_services import ControlServices
from collectors.settings import ControlSettings
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable

SETTINGS = ControlSettings.model_validate({"url": "http://control:8081/", "token": "t"})
Answer = Callable[[httpx.Request], httpx.Response]


class Bench:
    """A client whose other side answers as a test wants."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            return answer(request)

        self.client = ControlClient(SETTINGS, httpx.MockTransport(handle))


def says(document: Any, status: int = 200) -> Answer:
    """Always this."""
    return lambda _: httpx.Response(status, json=document)


async def test_it_asks_with_its_token_below_the_url() -> None:
    """Once: what was said is good for some seconds."""
    bench = Bench(says({"data": {"a": 1}}))
    assert await bench.client.one("/apps/1") == await bench.client.one("/apps/1") == {"a": 1}
    [request] = bench.asked
    assert str(request.url) == "http://control:8081/api/v1/apps/1"
    assert request.headers["authorization"] == "Bearer t"


async def test_what_is_old_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is remembered is bounded."""
    monkeypatch.setattr(module, "REMEMBER_SECONDS", 0.0)
    monkeypatch.setattr(module, "_MAX_REMEMBERED", 3)
    bench = Bench(says({"data": {}}))
    for number in range(10):
        await bench.client.one(f"/apps/{number % 2}")
        await bench.client.one(f"/llms/{number}")
    assert len(bench.asked) == 20
    assert len(bench.client._known) <= 3


async def test_an_answer_that_drips_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then is no answer: the plugin that asked learns it within the bound."""
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.05)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    client = ControlClient(SETTINGS, transport)
    with pytest.raises(ServiceUnavailable, match=r"does not answer \(TimeoutError\)"):
        await asyncio.wait_for(client.one("/apps/1"), 60)
    await client.close()


def raises(error: Exception) -> Answer:
    """No answer."""

    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "kind", "part"),
    [
        (raises(httpx.ConnectError("refused")), ServiceUnavailable, "control.url"),
        (raises(httpx.ReadTimeout("slow")), ServiceUnavailable, "control.url"),
        (says({}, 404), NotFound, "apps/1"),
        (says({}, 401), ServiceUnavailable, "control.token"),
        (says({}, 403), ServiceUnavailable, "control.token"),
        (says({}, 400), ServiceError, "400"),
        (says({}, 500), ServiceUnavailable, "500"),
        (says({}, 302), ServiceUnavailable, "302"),
        (lambda _: httpx.Response(200, content=b"<html>"), ServiceUnavailable, "control.dialect"),
        (says([]), ServiceUnavailable, "control.dialect"),
        (says({"data": 7}), ServiceUnavailable, "control.dialect"),
        (says({"apps": []}), ServiceUnavailable, "control.dialect"),
    ],
)
async def test_every_fault_has_a_name(answer: Answer, kind: type[Exception], part: str) -> None:
    """And what to look at; none is remembered."""
    bench = Bench(answer)
    for _ in range(2):
        with pytest.raises(kind) as caught:
            await bench.client.one("/apps/1")
        assert type(caught.value) is kind
        assert part in str(caught.value)
    assert len(bench.asked) == 2


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"data": {}},
        {"data": [], "pagination": {}},
        {"data": [1], "pagination": {"total": 1}},
        {"data": [], "pagination": 7},
    ],
)
async def test_lists_of_another_form_are_refused(document: Any) -> None:
    """Also by those who want all of it: it ends."""
    bench = Bench(says(document))
    with pytest.raises(ServiceUnavailable):
        await bench.client.part("/apps", {}, 1, 10)
    with pytest.raises(ServiceUnavailable):
        await bench.client.all("/apps", {})
    if "pagination" not in document:
        with pytest.raises(ServiceUnavailable):
            await bench.client.count("/apps", {})


@pytest.mark.parametrize(("page", "limit"), [(0, 1), (1, 0), (1, 1001), ("1", 1), (1, None), (1.5, 1)])
async def test_pages_that_cannot_be_ask_nobody(page: Any, limit: Any) -> None:
    """As in a gateway."""
    bench = Bench(says({}))
    with pytest.raises(ServiceError):
        await bench.client.part("/apps", {}, page, limit)
    assert bench.asked == []


@pytest.mark.parametrize(
    "change", [{"id": "1"}, {"created_at": "soon"}, {"metadata": []}, {"is_active": "yes"}, {"name": None}]
)
async def test_fields_of_another_type_are_refused(change: dict[str, Any]) -> None:
    """What a plugin gets has the types that the sdk promises, whoever answers."""
    view = {"id": 1, "name": "a", "description": "", "owner_email": "", "is_active": True, "budget_reset_day": 1,
            "rate_limit_rpm": 0, "created_at": "2026-11-01T00:00:00.000000Z", "updated_at": "2026-11-01T00:00:00Z",
            "monthly_budget_nanos": 0, "allowed_ips": [], "metadata": {}}  # fmt: skip
    assert (await ControlServices(Bench(says({"data": view})).client).get_app(1)).id == 1
    with pytest.raises(ServiceUnavailable):
        await ControlServices(Bench(says({"data": {**view, **change}})).client).get_app(1)
    del view["name"]
    with pytest.raises(ServiceUnavailable):
        await ControlServices(Bench(says({"data": view})).client).get_app(1)
