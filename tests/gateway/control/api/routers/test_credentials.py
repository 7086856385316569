"""Credentials of an app: its tokens, seen from there."""

from __future__ import annotations

from tests.gateway.control.api.harness import Api, bearer


async def test_a_credential_is_a_token_of_the_app(api: Api) -> None:
    """Made here, it is good there; it is listed in both places, and shown once."""
    app = await api.app()
    path = f"/apps/{app['id']}/credentials"
    made = (await api.post(path, {"name": "production", "scopes": ["admin"]}))["data"]
    await api.get("/llms", headers=bearer(made["token"]))
    listed = await api.get(path)
    assert listed["data"] == (await api.get(f"/tokens?app_id={app['id']}"))["data"]
    assert made["token"] not in str(listed)
    assert (await api.get(f"{path}/{made['id']}"))["data"] == listed["data"][0]


async def test_it_is_deleted_from_its_own_app_alone(api: Api) -> None:
    """404 by way of another app; gone for the next request by its own."""
    app, other = await api.app(), await api.app("other")
    made = (await api.post(f"/apps/{app['id']}/credentials", {"scopes": ["admin"]}))["data"]
    for method in ("GET", "DELETE"):
        await api.request(method, f"/apps/{other['id']}/credentials/{made['id']}", 404)
    await api.get("/llms", headers=bearer(made["token"]))
    await api.delete(f"/apps/{app['id']}/credentials/{made['id']}")
    await api.get("/llms", 401, headers=bearer(made["token"]))


async def test_an_app_must_be_there(api: Api) -> None:
    """And a body says nothing of another."""
    await api.get("/apps/99/credentials", 404)
    await api.post("/apps/99/credentials", {}, 404)
    await api.delete("/apps/1/credentials/99", 404)
    assert (await api.post("/apps/1/credentials", {"app_id": 2}, 400))["field"] == "app_id"
    assert (await api.post("/apps/1/credentials", {"expires_at": "2001-01-01T00:00:00Z"}, 400))["field"] == "expires_at"
