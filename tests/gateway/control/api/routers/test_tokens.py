"""Tokens over REST: shown once, kept as a hash, revoked for the next request, rotated with an overlap."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import Any

import httpx
import pytest

from gateway.access.credentials import hash_token
from gateway.control.entities import Actor
from sluice.clock import iso_micros, now_micros
from tests.gateway.control.api.harness import Api, bearer

HOUR_NANOS = 3_600_000_000_000


async def test_a_token_is_shown_once(api: Api) -> None:
    """``slc_`` and 256 bits; only its hash and its first characters are kept, and no later answer has it."""
    app = await api.app()
    answer = await api.post("/tokens", {"app_id": app["id"], "name": "ci", "expires_in": HOUR_NANOS})
    made = answer["data"]
    secret = made["token"]
    assert re.fullmatch(r"slc_[A-Za-z0-9_-]{43}", secret)
    assert (made["prefix"], made["scopes"], made["name"]) == (secret[:8], ["api"], "ci")
    assert abs(datetime.fromisoformat(made["expires_at"]).timestamp() * 1e6 - now_micros() - 3.6e9) < 60e6
    kept = await api.store.tokens.get(made["id"])
    assert kept.sha256 == hash_token(secret)
    answers = [
        await api.get(f"/tokens?app_id={app['id']}"),
        await api.get(f"/tokens/{made['id']}"),
        await api.get(f"/tokens/{secret}"),
        await api.get("/audit"),
        await api.get(f"/apps/{app['id']}"),
    ]
    assert all(secret not in str(each) and kept.sha256 not in str(each) for each in answers)
    assert answers[1] == answers[2]


async def test_it_is_good_at_once_and_never_after(api: Api) -> None:
    """For whoever asks next, and not after it was revoked: by id, by itself, or in a body that no URL shows."""
    app = await api.app()
    made = [await api.token(app["id"], scopes=["admin"]) for _ in range(3)]
    for token in made:
        assert (await api.get("/llms", headers=bearer(token["token"])))["data"] == []
    await api.delete(f"/tokens/{made[0]['id']}")
    await api.delete(f"/tokens/{made[1]['token']}")
    assert await api.post("/tokens/revoke", {"token": made[2]["token"]}, 200) == {
        "message": "Token revoked successfully"
    }
    for token in made:
        await api.get("/llms", 401, headers=bearer(token["token"]))
        await api.delete(f"/tokens/{token['token']}", 404)
        await api.post("/tokens/revoke", {"token": token["token"]}, 404)


BAD: list[Any] = [
    ("app_id", "1"),
    ("app_id", 0),
    ("app_id", None),
    ("app_id", 1.0),
    ("name", "x" * 256),
    ("name", "a\tb"),
    ("scopes", []),
    ("scopes", ["root"]),
    ("scopes", "admin"),
    ("scopes", ["api"] * 33),
    ("scopes", ["mcp."]),
    ("scopes", ["MCP.read"]),
    ("scopes", ["mcp read"]),
    ("expires_in", 0),
    ("expires_in", -1),
    ("expires_in", 1.5),
    ("expires_in", 2**63),
    ("expires_at", "tomorrow"),
    ("expires_at", "2030-01-31T12:00:00"),
    ("expires_at", "2030-02-30T12:00:00Z"),
    ("expires_at", "2001-01-01T00:00:00Z"),
    ("expires_at", 1893456000),
    ("token", "mine"),
    ("sha256", "0" * 64),
]


async def test_a_bad_value_is_refused_by_its_field(api: Api) -> None:
    """400, and no token is made."""
    for field, value in BAD:
        refused = await api.post("/tokens", {"app_id": 1, field: value}, 400)
        assert refused["field"].partition("[")[0] in {field, "body"}, refused
    assert (await api.get("/tokens?app_id=1"))["pagination"]["total"] == 1


async def test_an_app_must_be_there(api: Api) -> None:
    """404, as the reference says it; and the list is of one app."""
    assert (await api.post("/tokens", {"app_id": 99}, 404))["error"] == "App not found"
    assert (await api.get("/tokens", 400))["field"] == "app_id"
    await api.get("/tokens?app_id=99", 404)


async def test_both_ways_of_saying_until_when_are_one_too_many(api: Api) -> None:
    """Whichever would win, somebody meant the other."""
    await api.post("/tokens", {"app_id": 1, "expires_in": 1, "expires_at": "2100-01-01T00:00:00Z"}, 400)
    made = await api.token(1, expires_at="2100-01-01T00:00:00+01:00")
    assert made["expires_at"] == "2099-12-31T23:00:00.000000Z"


async def test_rotation_overlaps(api: Api) -> None:
    """A new token of the same app, name, scopes and length of life; the old one ends when the overlap does."""
    old = await api.token(1, name="ci", scopes=["admin"], expires_in=HOUR_NANOS)
    path = f"/tokens/{old['id']}/rotate"
    answer = await api.post(path, {"overlap_seconds": 600})
    new = answer["data"]
    assert answer["message"] == "Token rotated successfully"
    assert (new["app_id"], new["name"], new["scopes"]) == (1, "ci", ["admin"])
    assert new["token"] != old["token"]
    for token in (old, new):
        await api.get("/llms", headers=bearer(token["token"]))
    ends = datetime.fromisoformat((await api.get(f"/tokens/{old['id']}"))["data"]["expires_at"])
    lives = datetime.fromisoformat(new["expires_at"])
    assert abs(ends.timestamp() - now_micros() / 1e6 - 600) < 60
    assert abs(lives.timestamp() - now_micros() / 1e6 - 3600) < 60


async def test_rotation_without_overlap_ends_the_old_one_now(api: Api) -> None:
    """And one that has ended is not rotated again; nor is a token's end ever put off."""
    old = await api.token(1, scopes=["admin"])
    new = (await api.post(f"/tokens/{old['id']}/rotate", {}))["data"]
    await api.get("/llms", 401, headers=bearer(old["token"]))
    await api.get("/llms", headers=bearer(new["token"]))
    assert (await api.post(f"/tokens/{old['id']}/rotate", {}, 409))["code"] == "token_inactive"
    soon = await api.token(1, expires_in=60 * 10**9)
    await api.post(f"/tokens/{soon['id']}/rotate", {"overlap_seconds": 3600})
    assert (await api.get(f"/tokens/{soon['id']}"))["data"]["expires_at"] == soon["expires_at"]


async def test_rotations_at_once_leave_no_token_behind(api: Api) -> None:
    """One wins, or each is whole: nobody is left with a token that was answered with an error."""
    old = await api.token(1)
    before = (await api.get("/tokens?app_id=1"))["pagination"]["total"]
    path = f"/api/v1/tokens/{old['id']}/rotate"
    async with asyncio.TaskGroup() as tasks:
        tries = [tasks.create_task(api.client.post(path, json={"overlap_seconds": 60})) for _ in range(4)]
    answers: list[httpx.Response] = [each.result() for each in tries]
    made = [each for each in answers if each.status_code == 201]
    assert made
    assert {each.status_code for each in answers} <= {201, 409, 412}
    assert (await api.get("/tokens?app_id=1"))["pagination"]["total"] == before + len(made)


async def test_a_token_of_the_file_is_not_rotated(api: Api) -> None:
    """409, before another is made."""
    values = {"app_id": 1, "sha256": "ab" * 32, "prefix": "filetokn"}
    token = await api.store.tokens.create(values, Actor("file"))
    refused = await api.post(f"/tokens/{token.id}/rotate", {}, 409)
    assert refused["code"] == "managed_by_file"
    assert "sluice.yaml" in refused["message"]
    assert (await api.get("/tokens?app_id=1"))["pagination"]["total"] == 2
    await api.delete(f"/tokens/{token.id}", 409)


async def test_rotation_minds_if_match(api: Api) -> None:
    """412 for another version, and no token is made."""
    old = await api.token(1)
    await api.post(f"/tokens/{old['id']}/rotate", {}, 412, headers={"if-match": '"7"'})
    await api.post(f"/tokens/{old['id']}/rotate", {}, 201, headers={"if-match": '"1"'})


@pytest.mark.parametrize("reference", ["0", "9007199254740993", "x", "..", "%00", "1'", "slc_" + "A" * 43, "\uff19"])
async def test_no_such_token(api: Api, reference: str) -> None:
    """4xx whatever stands in the path."""
    for method in ("GET", "DELETE"):
        answer = await api.client.request(method, f"/api/v1/tokens/{reference}")
        assert answer.status_code in {400, 404, 405}, answer.text


async def test_expiry_is_seen_without_a_refresh(api: Api) -> None:
    """The snapshot knows when; no change is needed for it."""
    made = await api.token(1, scopes=["admin"], expires_at=iso_micros(now_micros() + 10**6))
    await api.store.tokens.update(made["id"], {"expires_at": now_micros() - 1}, Actor("command"))
    await api.snapshots.refresh()
    await api.get("/llms", 401, headers=bearer(made["token"]))
