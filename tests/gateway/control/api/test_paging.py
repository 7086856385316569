"""Pages: bounds, and sums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.api import paging
from gateway.control.api.paging import PageInfo, PageQuery, by_ids, cut, every
from tests.gateway.control.api.harness import Api


@given(st.integers(0, 60), st.integers(1, 30))
def test_pages_together_are_the_list(total: int, limit: int) -> None:
    """Every item on one page, in order; the page behind the last is empty."""
    items = list(range(total))
    pages = PageInfo(1, limit, total).total_pages
    found = [item for page in range(1, pages + 1) for item in cut(items, PageQuery(page=page, limit=limit)).items]
    assert found == items
    assert cut(items, PageQuery(page=pages + 1, limit=limit)).items == []


async def test_many_are_found_in_few_queries(api: Api) -> None:
    """In the order of ids, few or many, and without those that are gone."""
    ids = [(await api.app(f"app {number}"))["id"] for number in range(7)]
    await api.delete(f"/apps/{ids[2]}")
    left = [app_id for app_id in ids if app_id != ids[2]]
    assert list(await by_ids(api.store.apps, ids)) == left
    assert list(await by_ids(api.store.apps, ids[:4])) == left[:3]
    assert [app.id for app in await every(api.store.apps)] == [1, *left]
    assert await by_ids(api.store.apps, []) == {}


async def test_all_pages_are_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the last is full."""
    monkeypatch.setattr(paging, "_AT_ONCE", 2)
    for number in range(4):
        await api.app(f"app {number}")
        assert len(await every(api.store.apps)) == number + 2


async def test_what_is_no_page_is_refused(api: Api) -> None:
    """400 with the parameter, of every list; a page far behind the end is empty."""
    for path in ("/llms", "/apps", "/pricing", "/plugins", "/audit", "/apps/1/credentials"):
        for query in (
            "page=0",
            "page=-1",
            "page=x",
            "page=1.5",
            "page=1000000001",
            "limit=0",
            "limit=101",
            "limit=%00",
        ):
            refused = await api.get(f"{path}?{query}", 400)
            assert refused["field"] == query.partition("=")[0]
        assert (await api.get(f"{path}?page=1000000000&limit=100"))["data"] == []


async def test_unknown_parameters_are_refused(api: Api) -> None:
    """On lists as on single things: a filter that is ignored shows too much."""
    for path in (
        "/llms?vendr=x",
        "/apps?name=x",
        "/llms/1?verbose=1",
        "/system/info?x=1",
        "/plugins/health?x",
        "/audit?since=1",
    ):
        refused = await api.get(path, 400)
        assert refused["field"] in path
