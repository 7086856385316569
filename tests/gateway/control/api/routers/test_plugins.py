"""Plugins over REST: the seed's body, hooks, health and tests; what the host would refuse is refused here."""

from __future__ import annotations

from typing import Any

from sluice.plugin_host.host import PluginHealth
from tests.gateway.control.api.harness import Api

SEED = {
    "name": "My Plugin",
    "slug": "my-plugin",
    "description": "Custom plugin",
    "command": "python://sluice.plugins.request_enricher:RequestEnricher",
    "hook_type": "pre_auth",
    "is_active": True,
    "plugin_type": "gateway",
}


def instance(plugin_id: int, status: Any = "ready", key: str = "", error: str = "") -> PluginHealth:
    """One that was loaded, or not."""
    return PluginHealth(
        key=key or str(plugin_id),
        plugin_id=plugin_id,
        name="x",
        status=status,
        error=error,
        is_serving=status == "ready",
        attempted_at=1,
        load_micros=2,
        failures=0,
    )


async def test_the_seed_s_body_makes_a_plugin(api: Api) -> None:
    """With all that it says; ``hook_type`` is the one of ``hook_types``."""
    answer = await api.post("/plugins", SEED)
    assert answer["message"] == "Plugin created successfully"
    made = answer["data"]
    assert {name: made[name] for name in SEED} == SEED
    assert (made["hook_types"], made["config"], made["on_failure"]) == (["pre_auth"], {}, None)
    assert (await api.get(f"/plugins/{made['id']}"))["data"] == made


async def test_it_is_changed_by_what_is_named(api: Api) -> None:
    """Several hooks are a list; null takes the configuration away."""
    path = f"/plugins/{(await api.post('/plugins', {**SEED, 'config': {'a': 1.5}}))['data']['id']}"
    changed = (await api.put(path, {"hook_types": ["post_auth", "response"], "timeout_ms": 50}))["data"]
    assert (changed["hook_types"], changed["hook_type"], changed["config"]) == (
        ["post_auth", "response"],
        "post_auth",
        {"a": 1.5},
    )
    assert (await api.put(path, {"config": None}))["data"]["config"] == {}
    assert (await api.put(path, {"hook_types": []}))["data"]["hook_type"] == ""


BAD: list[Any] = [
    ("name", ""),
    ("slug", "My Plugin"),
    ("command", ""),
    ("command", "rm -rf /"),
    ("command", "./plugin; reboot"),
    ("command", "python://no_class"),
    ("command", "a.py\n"),
    ("command", ["a.py"]),
    ("hook_types", ["nope"]),
    ("hook_types", [1]),
    ("hook_types", ["pre_auth"] * 17),
    ("config", "a=b"),
    ("config", {"deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}),
    ("timeout_ms", 0),
    ("timeout_ms", 10**7),
    ("on_failure", "shrug"),
    ("checksum", "zz"),
    ("is_active", "true"),
    ("service_scopes", ["root"]),
    ("service_scopes", "apps.read"),
    ("on_stream", "drop"),
    ("on_oversize", "cut"),
    ("max_concurrent", -1),
    ("breaker_failures", -1),
    ("breaker_pause_seconds", 0),
    ("breaker_pause_seconds", 10**6),
    ("token", "sk-in-clear"),
    ("command", "file://relative/plugin"),
    ("command", "grpc://no-port"),
    ("command", "ftp://host/plugin"),
]


async def test_a_bad_value_is_refused_by_its_field(api: Api) -> None:
    """400, on create as on change."""
    made = await api.plugin()
    for field, value in BAD:
        refused = await api.post("/plugins", {**SEED, field: value}, 400)
        assert refused["field"].partition("[")[0] == field, refused
        await api.put(f"/plugins/{made['id']}", {field: value}, 400)
    assert (await api.get(f"/plugins/{made['id']}"))["data"] == made


async def test_an_unknown_hook_names_the_known_ones(api: Api) -> None:
    """The reference answers 500."""
    refused = await api.post("/plugins", {**SEED, "hook_type": "nope"}, 400)
    assert "post_auth" in refused["message"]


async def test_lists_are_filtered_by_hook_and_activity(api: Api) -> None:
    """And paged behind that."""
    for number in range(4):
        await api.plugin(f"plugin {number}", hook_types=["pre_auth"] if number % 2 else ["post_auth", "response"])
    await api.put("/plugins/1", {"is_active": False})
    found = await api.get("/plugins?hook_type=response&limit=1&page=2")
    assert ([each["id"] for each in found["data"]], found["pagination"]["total"]) == ([3], 2)
    assert [each["id"] for each in (await api.get("/plugins?hook_type=response&active=true"))["data"]] == [3]
    assert (await api.get("/plugins?hook_type=nope"))["data"] == []


async def test_a_taken_name_or_slug_is_a_conflict(api: Api) -> None:
    """409 with the field."""
    await api.post("/plugins", SEED)
    assert (await api.post("/plugins", {**SEED, "name": "Other"}, 409))["field"] == "slug"
    assert (await api.post("/plugins", {**SEED, "slug": "other"}, 409))["field"] == "name"


async def test_health_is_of_every_plugin(api: Api) -> None:
    """As bad as the worst of its instances; unknown where none was loaded."""
    for number in range(3):
        await api.plugin(f"plugin {number}")
    api.plugins.found = [instance(1), instance(1, "failed", "1@1", "it broke"), instance(2)]
    health = (await api.get("/plugins/health"))["data"]
    assert {key: each["status"] for key, each in health["plugins"].items()} == {
        "1": "failed",
        "2": "ready",
        "3": "unknown",
    }
    assert health["plugins"]["1"]["instances"][1]["error"] == "it broke"
    assert health["summary"] == {
        "all_ready": False,
        "total_plugins": 3,
        "ready_plugins": 1,
        "loading_plugins": 0,
        "failed_plugins": 1,
        "unknown_plugins": 1,
    }


async def test_a_test_loads_it(api: Api) -> None:
    """Whatever body comes with it; why it fails is said, and it is no error of the API."""
    good, bad = await api.plugin("good"), await api.plugin("bad")
    api.plugins.broken[bad["command"]] = "has no class Bad"
    passed = await api.post(f"/plugins/{good['id']}/test", {"anything": [1]}, 200)
    assert (passed["data"]["status"], passed["data"]["error"]) == ("passed", "")
    failed = (await api.post(f"/plugins/{bad['id']}/test", status=200))["data"]
    assert failed["status"] == "failed"
    assert "has no class Bad" in failed["error"]
    await api.post("/plugins/99/test", {}, 404)


async def test_registries_of_images_are_not_here(api: Api) -> None:
    """501, and what to do instead."""
    assert "python://" in (await api.get("/plugins/oci/status", 501))["message"]
    assert (await api.post("/plugins/prewarm", {"command": "oci://x"}, 501))["code"] == "not_implemented"


async def test_a_deleted_plugin_is_gone(api: Api) -> None:
    """404 from then on."""
    made = await api.plugin()
    assert await api.delete(f"/plugins/{made['id']}") == {"message": "Plugin deleted successfully"}
    assert (await api.get(f"/plugins/{made['id']}", 404))["error"] == "Plugin not found"


async def test_a_plugin_is_loaded_anew(api: Api) -> None:
    """``reload`` is a new version, by which every worker knows; what is not there is not found."""
    made = (await api.post("/plugins", SEED))["data"]
    before = (await api.get(f"/plugins/{made['id']}"))["data"]
    after = (await api.post(f"/plugins/{made['id']}/reload", status=200))["data"]
    assert after["version"] == before["version"] + 1
    await api.post("/plugins/99/reload", {}, 404)


async def test_secrets_of_a_configuration_are_not_shown_and_not_lost(api: Api) -> None:
    """Neither here, nor in lists, nor in the audit; written as they were shown they stay, alone they are refused."""
    body = {**SEED, "command": "python://sluice.plugins.custom_auth:CustomAuth", "hook_type": "auth"}
    made = (await api.post("/plugins", {**body, "config": {"valid_token": "hush", "tokens": []}}))["data"]
    path = f"/plugins/{made['id']}"
    assert made["config"] == {"valid_token": "***", "tokens": []}
    for shown in (path, "/plugins", "/audit"):
        assert "hush" not in repr(await api.get(shown))
    await api.put(path, {"config": {"valid_token": "***", "tokens": [{"token": "new"}]}})
    kept = await api.store.plugins.get(made["id"])
    assert kept.config == {"valid_token": "hush", "tokens": [{"token": "new"}]}
    await api.put(path, {"config": {"valid_token": "hush", "tokens": [{"token": "***", "app_id": 1}]}}, 400)
    await api.post("/plugins", {**body, "slug": "other", "config": {"valid_token": "***"}}, 400)
