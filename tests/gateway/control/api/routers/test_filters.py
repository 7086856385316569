"""Filters of the reference: what to do instead."""

from __future__ import annotations

from tests.gateway.control.api.harness import Api

ROUTES = [
    ("GET", "/filters"),
    ("POST", "/filters"),
    ("GET", "/filters/1"),
    ("PUT", "/filters/1"),
    ("DELETE", "/filters/1"),
    ("GET", "/llms/1/filters"),
    ("PUT", "/llms/1/filters"),
]


async def test_filters_are_plugins(api: Api) -> None:
    """501 naming the way, whatever comes with it; but only for those who may manage."""
    for method, path in ROUTES:
        refused = await api.request(method, path, 501, json={"filter_ids": [1]} if method != "GET" else None)
        assert refused["code"] == "filters_are_plugins"
        assert "PUT /api/v1/llms/{id}/plugins" in refused["message"]
        await api.request(method, path, 401, headers={"authorization": ""})
