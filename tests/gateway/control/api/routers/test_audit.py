"""The audit over REST: every change, by whom, before and after, and no secret in it."""

from __future__ import annotations

from tests.gateway.control.api.harness import Api


async def test_every_change_is_there(api: Api) -> None:
    """Newest first, with the token's name and prefix as its actor."""
    await api.llm(api_key="sk-very-secret")
    await api.put("/llms/1", {"labels": ["a"]})
    await api.delete("/llms/1")
    found = await api.get("/audit?kind=llm&entity_id=1")
    assert [each["action"] for each in found["data"]] == ["delete", "update", "create"]
    assert {each["actor"] for each in found["data"]} == {"ops (slc_admi)"}
    assert {each["token_id"] for each in found["data"]} == {1}
    update = found["data"][1]
    assert (update["before"]["labels"], update["after"]["labels"]) == ([], ["a"])
    assert "sk-very-secret" not in str(found)
    assert update["after"]["api_key"] == "***"


async def test_what_was_refused_is_not(api: Api) -> None:
    """Only what happened."""
    before = (await api.get("/audit"))["pagination"]["total"]
    await api.put("/llms/1", {"labels": ["a"]}, 404)
    await api.post("/llms", {}, 400)
    assert (await api.get("/audit"))["pagination"]["total"] == before


async def test_it_is_asked_for_by_what_is_there(api: Api) -> None:
    """400 for other kinds and ids."""
    for query in ("kind=secret", "entity_id=0", "entity_id=x", "page=0", "limit=101", "actor=me"):
        await api.get(f"/audit?{query}", 400)
    assert (await api.get("/audit?kind=plugin"))["data"] == []
