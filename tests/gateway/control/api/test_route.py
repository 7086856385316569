"""Routes: what comes before a handler, in order, and what becomes of its errors."""

from __future__ import annotations

import pytest

from tests.gateway.control.api.harness import Api


async def test_a_token_comes_before_parameters_before_the_body(api: Api) -> None:
    """Who may not manage learns nothing of what would have been wrong."""
    nobody = {"authorization": ""}
    assert (await api.client.post("/api/v1/apps?x=1", content=b"{", headers=nobody)).status_code == 401
    assert (await api.client.post("/api/v1/apps?x=1", content=b"{")).json()["field"] == "x"
    assert (await api.client.post("/api/v1/apps", content=b"{")).json()["code"] == "invalid_json"


async def test_a_misspelt_parameter_is_named(api: Api) -> None:
    """With the one that was meant, where a route has any."""
    assert "remove it" in (await api.get("/apps/1?verbose=1", 400))["message"]
    assert (await api.get("/apps?activ=true", 400))["field"] == "activ"
    long = "x" * 5000
    assert len((await api.get(f"/apps/1?{long}=1", 400))["field"]) <= 64


@pytest.mark.parametrize("path", ["/plugins/1/test", "/system/reload"])
async def test_a_route_without_a_body_takes_any(api: Api, path: str) -> None:
    """What scripts send along does not matter."""
    await api.plugin()
    for content in (b"", b"{", b"\xff", b"{}"):
        assert (await api.client.post(f"/api/v1{path}", content=content)).status_code == 200
