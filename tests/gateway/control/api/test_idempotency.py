"""Idempotency keys: done once, answered the same; no secret is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.control.api.idempotency import fingerprint
from gateway.control.errors import ControlDatabaseError
from gateway.control.tables import IDEMPOTENCY
from tests.gateway.control.api.harness import Api, bearer


def keyed(key: str) -> dict[str, Any]:
    """A request's options."""
    return {"headers": {"idempotency-key": key}}


CREATES: list[tuple[str, dict[str, Any]]] = [
    ("/apps", {"name": "x"}),
    ("/llms", {"name": "x", "vendor": "openai", "endpoint": "https://93.184.215.14"}),
    ("/plugins", {"name": "x", "command": "python://a:B"}),
    ("/pricing", {"vendor": "openai", "model_name": "m", "cpt": 1, "cpit": 1}),
]


@pytest.mark.parametrize(("path", "body"), CREATES)
async def test_the_same_request_is_done_once(api: Api, path: str, body: dict[str, Any]) -> None:
    """The same answer, which says that it was given before; without a key it would be a conflict."""
    first = await api.client.post(f"/api/v1{path}", json=body, **keyed("k"))
    again = await api.client.post(f"/api/v1{path}", json=body, **keyed("k"))
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    await api.post(path, body, 409)


async def test_a_token_is_not_shown_again(api: Api) -> None:
    """It is made once; the second answer has it not, and says so; the database never had it."""
    app = {"app_id": 1}
    paths: list[tuple[str, dict[str, Any]]] = [("/tokens", app), ("/auth/token", app), ("/apps/1/credentials", {})]
    old = (await api.token(1))["id"]
    for number, (path, body) in enumerate((*paths, (f"/tokens/{old}/rotate", {}))):
        first = (await api.post(path, body, **keyed(f"k{number}")))["data"]
        again = (await api.post(path, body, **keyed(f"k{number}")))["data"]
        assert again == {**first, "token": None, "warning": again["warning"]}
        assert "kept nowhere" in again["warning"]
        async with api.store.database.read() as connection:
            rows = (await connection.execute(IDEMPOTENCY.select())).all()
        assert first["token"] not in str(rows)


async def test_another_request_needs_another_key(api: Api) -> None:
    """409: another body, another path; but each token has keys of its own."""
    await api.post("/apps", {"name": "a"}, **keyed("k"))
    for path, body in (("/apps", {"name": "b"}), ("/plugins", {"name": "a", "command": "python://a:B"})):
        assert (await api.post(path, body, 409, **keyed("k")))["code"] == "idempotency_key_reused"
    other = (await api.token(1, scopes=["admin"]))["token"]
    headers = {**bearer(other), "idempotency-key": "k"}
    await api.post("/apps", {"name": "b"}, headers=headers)


async def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    """Whoever mends it may use the key again."""
    await api.app("taken")
    await api.post("/apps", {"name": "taken"}, 409, **keyed("k"))
    await api.post("/apps", {"name": "free"}, **keyed("k"))


async def test_of_many_at_once_one_is_done(api: Api) -> None:
    """The others get its answer, or are told to ask again."""
    async with asyncio.TaskGroup() as tasks:
        body = {"app_id": 1, "name": "once"}
        tries = [tasks.create_task(api.client.post("/api/v1/tokens", json=body, **keyed("k"))) for _ in range(8)]
    answers = [each.result() for each in tries]
    assert {each.status_code for each in answers} <= {201, 409}
    assert sum(each.status_code == 201 and each.json()["data"]["token"] is not None for each in answers) == 1
    assert (await api.get("/tokens?app_id=1"))["pagination"]["total"] == 2


async def test_where_nobody_knows_the_key_stays_taken(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault behind the commit: done again it might be done twice."""

    async def fail() -> None:
        message = "gone"
        raise OSError(message)

    object.__setattr__(api.services, "refresh", fail)
    await api.post("/tokens", {"app_id": 1}, 500, **keyed("k"))
    assert (await api.post("/tokens", {"app_id": 1}, 409, **keyed("k")))["code"] == "idempotency_key_in_use"


async def test_a_database_that_is_away_is_no_fault(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and the client may come again."""

    async def away(*_values: Any) -> None:
        message = "away"
        raise ControlDatabaseError(message)

    monkeypatch.setattr(api.store.idempotency, "claim", away)
    assert (await api.post("/apps", {"name": "x"}, 503, **keyed("k")))["code"] == "database_unavailable"


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é".encode()])
async def test_what_is_no_key_is_refused(api: Api, key: Any) -> None:
    """By its header."""
    assert (await api.post("/apps", {"name": "x"}, 400, **keyed(key)))["field"] == "Idempotency-Key"


def test_a_fingerprint_tells_parts_apart() -> None:
    """What moves from one part into the next is another request."""
    assert (
        len({fingerprint("POST", "/ab", b"c"), fingerprint("POST", "/a", b"bc"), fingerprint("PUT", "/ab", b"c")}) == 3
    )
