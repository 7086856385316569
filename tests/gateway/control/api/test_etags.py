"""Versions as ETags: what matches, what never does, what is none."""

from __future__ import annotations

import pytest

from gateway.control.api.etags import NEVER, etag, is_unchanged, required_version
from gateway.control.api.problems import Problem
from tests.gateway.control.api.harness import Api


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (None, None),
        ("*", None),
        (' "3" ', 3),
        ('"3", "7"', 7),
        ('W/"3"', NEVER),
        ('"x"', NEVER),
        ('"0"', NEVER),
        ('"03"', NEVER),
        ('"' + "9" * 40 + '"', NEVER),
        ('""', NEVER),
    ],
)
def test_a_precondition_names_a_version(header: str | None, version: int | None) -> None:
    """A weak tag, and one that is not ours, match nothing."""
    assert required_version(header) == version


@pytest.mark.parametrize("header", ["3", '"3', "", '"3" "4"', '"a"b"', "W/3", '"é"'])
def test_what_is_no_etag_is_refused(header: str) -> None:
    """Not taken for one that matches, nor for none."""
    for read in (required_version, lambda value: is_unchanged(value, 3)):
        with pytest.raises(Problem) as refused:
            read(header)
        assert refused.value.status == 400


def test_what_a_client_has_is_unchanged() -> None:
    """Weak or not; any of several."""
    assert is_unchanged('W/"3"', 3)
    assert is_unchanged('"1","3"', 3)
    assert is_unchanged("*", 3)
    assert not is_unchanged('"4"', 3)
    assert not is_unchanged(None, 3)


async def test_an_entity_has_its_version_as_etag(api: Api) -> None:
    """When it is made, looked at and changed; 304 for who has it, 412 with the present one for who is late."""
    made = await api.client.post("/api/v1/apps", json={"name": "x"})
    assert made.headers["etag"] == etag(1)
    path = f"/api/v1/apps/{made.json()['data']['id']}"
    same = await api.client.get(path, headers={"if-none-match": etag(1)})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag(1))
    changed = await api.client.put(path, json={"description": "d"}, headers={"if-match": etag(1)})
    assert changed.headers["etag"] == etag(2)
    assert (await api.client.get(path, headers={"if-none-match": etag(1)})).headers["etag"] == etag(2)
    late = await api.client.put(path, json={"description": "late"}, headers={"if-match": etag(1)})
    assert (late.status_code, late.headers["etag"], late.json()["code"]) == (412, etag(2), "stale_version")
    assert (await api.client.delete(path, headers={"if-match": etag(1)})).status_code == 412
    assert (await api.client.delete(path, headers={"if-match": "nonsense"})).status_code == 400
    assert (await api.client.get(path)).json()["data"]["description"] == "d"
    assert (await api.client.get(path, headers={"if-none-match": "nonsense"})).status_code == 400
    assert (await api.client.put(path, json={}, headers={"if-none-match": "nonsense"})).status_code == 200
    assert (await api.client.delete(path, headers={"if-match": etag(2)})).status_code == 200
