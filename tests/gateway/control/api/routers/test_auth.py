"""Tokens are minted by admins alone; anybody may ask whether one is good."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.control.api.harness import ADMIN, Api, bearer


async def test_nobody_mints_a_token_without_one(api: Api) -> None:
    """The reference's ``/auth/token`` is public; here it is as ``/tokens``."""
    body = {"app_id": 1, "name": "t1", "scopes": ["admin"]}
    for headers in ({"authorization": ""}, bearer("nonsense")):
        await api.post("/auth/token", body, 401, headers=headers)
    answer = await api.post("/auth/token", body)
    assert answer["message"] == "Token generated successfully"
    await api.get("/llms", headers=bearer(answer["data"]["token"]))


async def test_a_token_says_whose_it_is(api: Api) -> None:
    """Without another token, and without saying anything of itself."""
    app = await api.app()
    token = (await api.token(app["id"], expires_at="2100-01-01T00:00:00Z"))["token"]
    answer = await api.post("/auth/validate", {"token": token}, 200, headers={"authorization": ""})
    expected = {"valid": True, "app_id": app["id"], "scopes": ["api"], "expires_at": "2100-01-01T00:00:00.000000Z"}
    assert answer == {"data": expected}


@pytest.mark.parametrize("token", ["x", "slc_" + "A" * 43, ADMIN + " ", ADMIN.upper(), "é", "\u0000x"])
async def test_a_token_that_proves_nothing(api: Api, token: str) -> None:
    """401, or 400 where no token can be such."""
    answer = await api.client.post("/api/v1/auth/validate", json={"token": token})
    assert answer.status_code in {400, 401}
    assert len(token) < 9 or token.strip() not in answer.text


async def test_an_inactive_app_s_token_proves_nothing(api: Api) -> None:
    """From the next request on."""
    app = await api.app()
    token = (await api.token(app["id"]))["token"]
    await api.put(f"/apps/{app['id']}", {"is_active": False})
    await api.post("/auth/validate", {"token": token}, 401)


async def test_validation_needs_a_token_in_its_body(api: Api) -> None:
    """400 otherwise."""
    body: Any
    for body in ({}, {"token": ""}, {"token": 1}, {"token": "x" * 513}, {"token": "x", "more": 1}, [], "x", None):
        await api.post("/auth/validate", body, 400)
