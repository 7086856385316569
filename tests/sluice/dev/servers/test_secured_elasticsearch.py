"""A real Elasticsearch that asks who is there."""

from __future__ import annotations

import pytest

from tests.strict_elasticsearch import StrictElasticsearch

pytestmark = pytest.mark.elasticsearch


async def test_it_knows_its_users_and_nobody_else(strict_elasticsearch: StrictElasticsearch) -> None:
    """By name and password, each with the rights of its role."""
    async with strict_elasticsearch.client() as client:
        for auth, status in (
            (("admin", "admin-password"), 200),
            (("admin", "x"), 401),
            (("reader", "reader-password"), 403),
        ):
            assert (await client.get("/_security/role", auth=auth)).status_code == status
