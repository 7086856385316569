"""The system over REST."""

from __future__ import annotations

from tests.gateway.control.api.harness import Api


async def test_it_says_what_there_is(api: Api) -> None:
    """Version, the number of the last change, and counts."""
    await api.llm()
    found = (await api.get("/system/info"))["data"]
    assert found["stats"] == {"llms": 1, "apps": 1, "tokens": 1, "prices": 0, "plugins": 0}
    assert (found["service"], found["status"], found["version"]) == ("sluice", "running", "0.0.0")
    assert found["generation"] == await api.store.generation()


async def test_there_is_nothing_to_reload(api: Api) -> None:
    """200 all the same, with or without a body: scripts of the reference call it after each change."""
    before = api.snapshots.refreshes
    assert "Nothing to reload" in (await api.post("/system/reload", {}, 200))["message"]
    await api.post("/system/reload", status=200)
    assert api.snapshots.refreshes == before + 2
