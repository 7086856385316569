"""The application: what is mounted and what is not, whatever comes with it, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from gateway.control.api.application import PREFIX, build_application, openapi_document
from gateway.control.database import ControlDatabase
from gateway.control.store import ControlStore
from gateway.control.tables import METADATA
from sluice.secrets import SecretBox
from tests.gateway.control.api.harness import ADMIN, Api, open_api

BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))
NASTY = [
    "'; DROP TABLE apps; --",
    '" OR "1"="1',
    "%s%n%x",
    "{{7*7}}",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "🦊" * 200,
    "e\u0301",
    "\ufffe\uffff",
    "ﷺ" * 255,
    "NULL",
    "\\",
    "\\x00",
    "$1",
    ":name",
    "?",
]


@pytest.fixture(params=BOTH)
def any_url(request: pytest.FixtureRequest) -> str:
    """Where either database is, migrated."""
    url: str = request.getfixturevalue("migrated_url" if request.param == "sqlite" else "migrated_postgres")
    return url


@pytest.fixture
async def any_api(any_url: str, box: SecretBox) -> AsyncIterator[Api]:
    """The API over either."""
    database = ControlDatabase(any_url)
    if not database.is_sqlite:
        async with database.write() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)} RESTART IDENTITY CASCADE"))
    async with open_api(ControlStore(database, box)) as api:
        yield api
    await database.close()


async def test_any_text_is_text(any_api: Api) -> None:
    """It comes back as it was, as a name, a description, metadata, and is found by nobody's accident."""
    for value in NASTY:
        made = await any_api.app(value, description=value, metadata={value: [value]})
        shown = (await any_api.get(f"/apps/{made['id']}"))["data"]
        assert (shown["name"], shown["description"], shown["metadata"]) == (value, value, {value: [value]})
        await any_api.post("/apps", {"name": value}, 409)
        assert (await any_api.get("/llms", params={"vendor": value[:64]}))["data"] == []
    assert (await any_api.get("/apps"))["pagination"]["total"] == 1 + len(NASTY)


async def test_the_largest_values_fit(any_api: Api) -> None:
    """Every bound of the API is within those of the database."""
    largest = {
        "monthly_budget": "9223372036.854775807",
        "rate_limit_rpm": 10**9,
        "rate_limit_tpm": 10**9,
        "max_concurrent": 10**9,
        "user_id": 2**53 - 1,
        "metadata": {"n": 2**63 - 1, "x": 1e308, "text": "ü" * 30_000},
        "description": "ü" * 4096,
        "allowed_ips": ["2001:db8::/32"] * 200,
    }
    made = await any_api.app("ü" * 255, **largest)
    assert (await any_api.get(f"/apps/{made['id']}"))["data"]["monthly_budget"] == largest["monthly_budget"]
    llm = {"max_tokens": 10**8, "max_request_bytes": 2**40, "max_response_bytes": 2**40, "api_key": "k" * 4096}
    await any_api.llm("m" * 255, slug="s" * 63, default_model="m" * 256, timeout_seconds=86_400, **llm)
    price = {"vendor": "openai", "model_name": "m" * 256, "cpt": "9223.372036854775807", "cpit": 0}
    await any_api.post("/pricing", {**price, "valid_from": "9999-12-31T23:59:59.999999Z"})
    await any_api.plugin("p" * 255, timeout_ms=600_000, description="ü" * 4096)
    await any_api.token(made["id"], name="ü" * 255, expires_in=100 * 366 * 86_400 * 10**9)
    for path in ("/apps", "/llms", "/pricing", "/plugins", f"/tokens?app_id={made['id']}", "/audit"):
        assert (await any_api.get(path))["pagination"]["total"] >= 1


async def test_changes_at_once_are_all_made(any_api: Api) -> None:
    """None is lost, and none finds the database locked."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(any_api.app(f"app {number}"))
    assert (await any_api.get("/apps?limit=100"))["pagination"]["total"] == 21


async def test_of_equal_names_at_once_one_is_made(any_api: Api) -> None:
    """The others are conflicts."""
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(any_api.client.post(f"{PREFIX}/apps", json={"name": "x"})) for _ in range(8)]
    assert sorted(each.result().status_code for each in tries) == [201] + [409] * 7


NOWHERE: list[Any] = [
    "/edge/status",
    "/edge/reload",
    "/edge/e1/status",
    "/namespace/reload",
    "/namespace/reload/operations",
    "/",
    "/LLMS",
    "/llms/",
    "/docs",
    "/redoc",
    "/users",
    "//llms",
    "/llms/1/proxy2",
    "/\n",
]


async def test_what_is_not_there_is_not_found(api: Api) -> None:
    """In the one shape; with or without a token."""
    for path in NOWHERE:
        for headers in ({}, {"authorization": ""}):
            answer = await api.client.get(f"{PREFIX}{path.replace(chr(10), '%0A')}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "no_such_path")


async def test_other_methods_are_named(api: Api) -> None:
    """405 says which there are."""
    for method in ("PATCH", "POST", "OPTIONS", "HEAD", "TRACE", "NONSENSE"):
        answer = await api.client.request(method, f"{PREFIX}/apps/1")
        assert answer.status_code == 405
        assert answer.headers["allow"]


async def test_every_answer_has_an_id_and_is_kept_by_no_cache(api: Api) -> None:
    """Refusals and what is not there too."""
    ids = set()
    for path in ("/apps", "/apps/99", "/nowhere"):
        answer = await api.client.get(f"{PREFIX}{path}")
        assert answer.headers["cache-control"] == "no-store"
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 3


async def test_logs_say_nothing_of_requests(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, key, body or path, not even where a fault is logged; and a fault is a 500 in the one shape."""

    async def fail(*_values: Any) -> None:
        raise KeyError

    with capture_logs() as logs:
        secret = (await api.token(1))["token"]
        await api.get(f"/tokens/{secret}")
        await api.llm(api_key="sk-never-logged")
        await api.delete(f"/tokens/{secret}")
        monkeypatch.setattr(api.store.llms, "create", fail)
        body = {"name": "x", "vendor": "openai", "endpoint": "https://93.184.215.14", "api_key": "sk-never-logged"}
        refused = await api.post("/llms", body, 500)
    assert refused == {
        "error": "Internal error",
        "message": "a fault of the gateway; its log says more",
        "code": "gateway_error",
    }
    shown = json.dumps([{name: str(value) for name, value in entry.items()} for entry in logs])
    assert len(logs) == 1
    assert not any(text in shown for text in (secret, "sk-never-logged", ADMIN, "/tokens"))


async def test_two_applications_share_nothing(api: Api) -> None:
    """Routes are the same objects, services are not."""
    one, other = build_application(api.services), build_application(api.services)
    assert one.state.gate is not other.state.gate
    assert openapi_document()["servers"] == [{"url": PREFIX}]


async def test_a_change_is_seen_by_whoever_asks_next(api: Api) -> None:
    """Every change is followed by a refresh before its answer; looks and refusals are not."""
    before = api.snapshots.refreshes
    app = await api.app()
    await api.put(f"/apps/{app['id']}", {"description": "d"})
    await api.delete(f"/apps/{app['id']}")
    assert api.snapshots.refreshes == before + 3
    await api.get("/apps")
    await api.put(f"/apps/{app['id']}", {}, 404)
    assert api.snapshots.refreshes == before + 3
