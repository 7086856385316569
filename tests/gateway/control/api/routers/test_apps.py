"""Apps over REST: their fields, and the LLMs they may use."""

from __future__ import annotations

from typing import Any

from tests.gateway.control.api.harness import Api

FULL: dict[str, Any] = {
    "name": "bench",
    "description": "many\nlines",
    "owner_email": "admin@microgateway.local",
    "user_id": 7,
    "is_active": False,
    "bodies": "metadata",
    "monthly_budget": 10,
    "budget_reset_day": 15,
    "time_zone": "Europe/Berlin",
    "budget_fail": "open",
    "rate_limit_rpm": 60,
    "rate_limit_tpm": 1000,
    "max_concurrent": 4,
    "allowed_ips": ["10.0.0.0/8", "2001:db8::1"],
    "metadata": {"team": "a"},
}


async def test_what_was_given_is_answered_and_kept(api: Api) -> None:
    """Every field of a create comes back; money as decimal text."""
    answer = await api.post("/apps", FULL)
    assert answer["message"] == "App created successfully"
    made = answer["data"]
    assert {name: made[name] for name in FULL} == {**FULL, "monthly_budget": "10"}
    assert (made["monthly_budget_nanos"], made["llm_ids"]) == (10_000_000_000, [])
    assert (await api.get(f"/apps/{made['id']}"))["data"] == made


async def test_a_change_changes_what_it_names(api: Api) -> None:
    """Everything else stays, its links too."""
    await api.llm()
    made = await api.app(llm_ids=[1], monthly_budget="5")
    changed = (await api.put(f"/apps/{made['id']}", {"monthly_budget": 0, "description": "d"}))["data"]
    differs = {name for name in made if made[name] != changed[name]}
    assert differs == {"monthly_budget", "monthly_budget_nanos", "description", "version", "updated_at"}


BAD: list[Any] = [
    ("name", "", "at least 1"),
    ("owner_email", "nobody", "e-mail"),
    ("owner_email", "a@" + "b" * 400, "at most 320"),
    ("user_id", 0, "greater than or equal"),
    ("user_id", 2**53, "less than or equal"),
    ("bodies", "some", "'default', 'full', 'redacted', 'metadata' or 'none'"),
    ("time_zone", "Mars/Olympus", "no time zone"),
    ("time_zone", "../../etc/passwd", "no time zone"),
    ("time_zone", "/etc/passwd", "no time zone"),
    ("budget_fail", "maybe", "'closed' or 'open'"),
    ("max_concurrent", -1, "greater than or equal"),
    ("allowed_ips", ["10.0.0.0/99"], "no network"),
    ("allowed_ips", ["10.0.0.1 "], "no network"),
    ("llm_ids", [42], "42"),
    ("llm_ids", [1, 1], "twice"),
    ("llms", [{"llm_id": 42}], "42"),
    ("llms", [{"llm_id": 1, "budget": 1}], "not known"),
    ("llms", [{"llm_id": 1}, {"llm_id": 1}], "twice"),
    ("description", "x" * 5000, "at most 4096"),
]


async def test_a_bad_value_is_refused_by_its_field(api: Api) -> None:
    """400 with the field and the reason, on create as on change."""
    await api.llm()
    made = await api.app()
    for field, value, said in BAD:
        refused = await api.post("/apps", {"name": "good", field: value}, 400)
        assert refused["field"].partition("[")[0].partition(".")[0] in {field, "llms"}, refused
        assert said in refused["message"], refused
        await api.put(f"/apps/{made['id']}", {field: value}, 400)
    assert (await api.get(f"/apps/{made['id']}"))["data"] == made


async def test_links_are_replaced_and_keep_their_budgets(api: Api) -> None:
    """As ids or with budgets, of the app or of its list of LLMs; never both at once."""
    for number in range(3):
        await api.llm(f"llm {number}")
    app = await api.app(llms=[{"llm_id": 1, "monthly_budget": "2.5"}, {"llm_id": 2}])
    path = f"/apps/{app['id']}"
    changed = (await api.put(f"{path}/llms", {"llm_ids": [3, 1]}))["data"]
    assert changed["llms"] == [
        {"llm_id": 1, "monthly_budget": "2.5", "monthly_budget_nanos": 2_500_000_000},
        {"llm_id": 3, "monthly_budget": "0", "monthly_budget_nanos": 0},
    ]
    assert [each["id"] for each in (await api.get(f"{path}/llms"))["data"]] == [1, 3]
    assert (await api.put(path, {"llm_ids": [1, 2]}))["data"]["llms"][0]["monthly_budget"] == "2.5"
    assert (await api.put(f"{path}/llms", {"llm_ids": []}))["data"]["llm_ids"] == []
    await api.put(f"{path}/llms", {}, 400)
    await api.put(f"{path}/llms", {"llm_ids": [1], "llms": []}, 400)
    await api.put(f"{path}/llms", {"llm_ids": [99]}, 400)
    await api.get("/apps/99/llms", 404)
    await api.put("/apps/99/llms", {"llm_ids": []}, 404)


async def test_a_deleted_app_takes_its_tokens_with_it(api: Api) -> None:
    """From the next request on they prove nothing."""
    app = await api.app()
    token = (await api.token(app["id"]))["token"]
    assert (await api.post("/auth/validate", {"token": token}, 200))["data"]["app_id"] == app["id"]
    await api.delete(f"/apps/{app['id']}")
    await api.post("/auth/validate", {"token": token}, 401)
    await api.get(f"/tokens?app_id={app['id']}", 404)


async def test_lists_are_filtered_by_activity(api: Api) -> None:
    """The admin's own app is one of them."""
    await api.app("idle", is_active=False)
    assert [each["name"] for each in (await api.get("/apps?active=false"))["data"]] == ["idle"]
    assert [each["name"] for each in (await api.get("/apps?active=true"))["data"]] == ["Admin"]
