"""LLMs over REST: all fields, both ways; keys never; bad values by their field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.control.api.harness import Api

FULL: dict[str, Any] = {
    "name": "Mock GPT",
    "slug": "gpt",
    "vendor": "openai",
    "endpoint": "https://93.184.215.14/v1/",
    "api_key": "sk-up",
    "default_model": "gpt-4o-mini",
    "max_tokens": 100,
    "timeout_seconds": 1.5,
    "retry_count": 2,
    "is_active": False,
    "monthly_budget": "12.5",
    "budget_reset_day": 28,
    "rate_limit_rpm": 10,
    "rate_limit_tpm": 1000,
    "max_request_bytes": 2000,
    "max_response_bytes": 3000,
    "allowed_models": ["gpt-4o.*"],
    "labels": ["team:a"],
    "metadata": {"note": "ü", "rate": 0.5, "deep": {"list": [1, None, True]}},
}


async def test_what_was_given_is_answered_and_kept(api: Api) -> None:
    """Every field of a create comes back, the key's aside; the path's end of an endpoint does not matter."""
    made = (await api.post("/llms", FULL))["data"]
    for name, value in FULL.items():
        if name not in {"api_key", "endpoint"}:
            assert made[name] == value, name
    assert made["endpoint"] == "https://93.184.215.14/v1"
    assert made["monthly_budget_nanos"] == 12_500_000_000
    assert (made["api_key_set"], made["api_key_source"]) == (True, "stored")
    assert (await api.get(f"/llms/{made['id']}"))["data"] == made
    kept = await api.store.llms.get(made["id"])
    assert (kept.api_key, kept.timeout_seconds, kept.allowed_models) == ("sk-up", 1.5, ("gpt-4o.*",))


async def test_the_reference_s_body_works(api: Api) -> None:
    """As existing scripts send it; what it leaves out has the defaults, and the slug is made of the name."""
    body = {"name": "Mock GPT", "vendor": "openai", "endpoint": "https://93.184.215.14/v1", "api_key": "sk-up"}
    answer = await api.post("/llms", {**body, "default_model": "gpt-4o-mini", "is_active": True})
    made = answer["data"]
    assert answer["message"] == "LLM created successfully"
    assert (made["slug"], made["max_tokens"], made["monthly_budget"], made["retry_count"]) == (
        "mock-gpt",
        0,
        "0",
        None,
    )
    assert (made["id"], made["version"], made["managed_by"]) == (1, 1, "api")


async def test_no_answer_has_a_key(api: Api) -> None:
    """Neither a stored one nor what a file has; only where it is found."""
    for key, source in (
        ("sk-secret-1", "stored"),
        ("env:OPENAI_API_KEY", "env:OPENAI_API_KEY"),
        ("file:/run/k", "file"),
    ):
        made = await api.llm(f"llm {source.partition(':')[0]}", api_key=key)
        assert made["api_key_source"] == source
    answers = [await api.get("/llms"), await api.get("/llms/1"), await api.put("/llms/1", {"labels": ["x"]})]
    answers.append(await api.get("/audit"))
    assert all("sk-secret-1" not in str(answer) and "/run/k" not in str(answer["data"]) for answer in answers)


async def test_a_change_changes_what_it_names(api: Api) -> None:
    """Everything else stays, the key and the slug too; null takes an optional number away, an empty key the key."""
    made = (await api.post("/llms", FULL))["data"]
    path = f"/llms/{made['id']}"
    changed = (await api.put(path, {"name": "Renamed", "timeout_seconds": None, "is_active": True}))["data"]
    differs = {name for name in made if made[name] != changed[name]}
    assert differs == {"name", "timeout_seconds", "is_active", "version", "updated_at"}
    assert (await api.store.llms.get(made["id"])).api_key == "sk-up"
    assert (await api.put(path, {"api_key": ""}))["data"]["api_key_set"] is False
    assert (await api.put(path, {"metadata": None}))["data"]["metadata"] == {}


async def test_an_empty_change_changes_nothing(api: Api) -> None:
    """Its version stays."""
    made = await api.llm()
    assert (await api.put("/llms/1", {}))["data"] == made


async def test_lists_are_paged_and_filtered(api: Api) -> None:
    """By vendor and activity; the pagination says how many there are of those."""
    for number in range(5):
        await api.llm(f"llm {number}", is_active=number % 2 == 0)
    page = await api.get("/llms", params={"page": 2, "limit": 2})
    assert [each["name"] for each in page["data"]] == ["llm 2", "llm 3"]
    assert page["pagination"] == {"page": 2, "limit": 2, "total": 5, "total_pages": 3}
    inactive = await api.get("/llms", params={"active": "false", "vendor": "openai"})
    assert [each["name"] for each in inactive["data"]] == ["llm 1", "llm 3"]
    assert (await api.get("/llms", params={"vendor": "'; DROP TABLE llms;--"}))["data"] == []


async def test_a_deleted_llm_is_gone(api: Api) -> None:
    """With its links; a second time there is nothing to delete."""
    await api.llm()
    app = await api.app(llm_ids=[1])
    assert await api.delete("/llms/1") == {"message": "LLM deleted successfully"}
    assert (await api.get("/llms/1", 404))["error"] == "LLM not found"
    assert (await api.delete("/llms/1", 404))["code"] == "not_found"
    assert (await api.get(f"/apps/{app['id']}"))["data"]["llm_ids"] == []


BAD: list[Any] = [
    ("name", "", "at least 1"),
    ("name", " ", "blank"),
    ("name", "a\nb", "control character"),
    ("name", "x" * 256, "at most 255"),
    ("name", 7, "string"),
    ("name", None, "string"),
    ("slug", "Not A Slug", "pattern"),
    ("slug", "../etc", "pattern"),
    ("slug", "a" * 64, "pattern"),
    ("vendor", "cohere", "known: openai"),
    ("vendor", ["openai"], "string"),
    ("endpoint", "ftp://93.184.215.14/", "http"),
    ("endpoint", "https://u:p@93.184.215.14/", "credentials"),
    ("endpoint", "http://127.0.0.1:1/v1", "allow_private_endpoints"),
    ("endpoint", "https://x" * 300, "at most 2048"),
    ("api_key", "sk\n", "control character"),
    ("api_key", "env:not a name", "env:NAME"),
    ("api_key", "x" * 5000, "at most 4096"),
    ("max_tokens", -1, "greater than or equal to 0"),
    ("max_tokens", 1.5, "integer"),
    ("max_tokens", True, "integer"),
    ("max_tokens", "100", "integer"),
    ("max_tokens", 10**17, "less than or equal"),
    ("timeout_seconds", 0, "greater than 0"),
    ("timeout_seconds", -1, "greater than 0"),
    ("timeout_seconds", "1", "no number"),
    ("retry_count", 6, "less than or equal to 5"),
    ("is_active", "yes", "boolean"),
    ("is_active", 1, "boolean"),
    ("monthly_budget", -1, "below zero"),
    ("monthly_budget", "a lot", "no amount"),
    ("monthly_budget", True, "no amount"),
    ("monthly_budget", "0.0000000001", "9 digits"),
    ("monthly_budget", 10**18, "no amount"),
    ("budget_reset_day", 29, "less than or equal to 28"),
    ("rate_limit_rpm", -1, "greater than or equal to 0"),
    ("allowed_models", ["("], "regular expression"),
    ("allowed_models", "gpt", "list"),
    ("allowed_models", ["x"] * 201, "at most 200"),
    ("failover_llm_ids", [99], "99"),
    ("failover_llm_ids", [1, 1], "twice"),
    ("failover_llm_ids", list(range(1, 18)), "at most 16"),
    ("labels", ["x" * 65], "at most 64"),
    ("metadata", [], "no object"),
    ("metadata", {"x": "y" * 70_000}, "larger than"),
    ("unknown", 1, "not known"),
    ("id", 7, "not known"),
    ("managed_by", "file", "not known"),
]


async def test_a_bad_value_is_refused_by_its_field(api: Api) -> None:
    """400 with the field and the reason, on create as on change, and nothing is made or changed."""
    body = {"name": "good", "vendor": "openai", "endpoint": "https://93.184.215.14/v1"}
    made = await api.llm("other")
    for field, value, said in BAD:
        refused = await api.post("/llms", {**body, field: value}, 400)
        assert refused["field"].partition("[")[0] == field, refused
        assert said in refused["message"], refused
        assert refused["code"] in {"invalid", "unknown_reference"}
        if field != "vendor":
            again = await api.put(f"/llms/{made['id']}", {field: value}, 400)
            assert again["field"].partition("[")[0] == field, again
    assert (await api.get("/llms"))["data"] == [made]


async def test_what_is_missing_is_named(api: Api) -> None:
    """All of it at once."""
    refused = await api.post("/llms", {}, 400)
    assert {each["field"] for each in refused["problems"]} == {"name", "vendor", "endpoint"}
    assert refused["field"] == "name"


@pytest.mark.parametrize("field", ["name", "slug"])
async def test_a_taken_name_is_a_conflict(api: Api, field: str) -> None:
    """409 with the field, of a create as of a change."""
    await api.llm("one", slug="one")
    other = await api.llm("two", slug="two")
    body = {"name": "three", "slug": "three", "vendor": "openai", "endpoint": "https://93.184.215.14/v1"}
    refused = await api.post("/llms", {**body, field: "one"}, 409)
    assert (refused["code"], refused["field"], refused["error"]) == ("duplicate", field, "LLM exists already")
    assert (await api.put(f"/llms/{other['id']}", {field: "one"}, 409))["code"] == "duplicate"


async def test_a_name_without_letters_needs_a_slug(api: Api) -> None:
    """URLs have none of its characters; unicode is fine for the name itself."""
    body = {"name": "日本語", "vendor": "openai", "endpoint": "https://93.184.215.14/v1"}
    assert (await api.post("/llms", body, 400))["field"] == "slug"
    assert (await api.post("/llms", {**body, "slug": "nihongo"}))["data"]["name"] == "日本語"
    assert (await api.post("/llms", {**body, "name": "Ünï Cödé!"}))["data"]["slug"] == "uni-code"


async def test_stats_come_from_events(api: Api) -> None:
    """Of an LLM that is there."""
    await api.llm()
    assert (await api.get("/llms/1/stats"))["data"] == {"request_count": 0, "total_tokens": 0, "total_costs": []}
    assert api.events.asked == [("llm_stats", 1)]
    await api.get("/llms/2/stats", 404)
