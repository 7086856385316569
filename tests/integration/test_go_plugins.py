"""Plugins in Go, as teams have them that come from elsewhere: unmodified, in a gateway that runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.go_build import GoPlugins
from tests.integration.managing import changed, made
from tests.integration.plugin_gateway import SECONDS, Edge, Target, install, open_edge, plugin_folder
from tests.integration.waiting import until_found

SCOPES = [
    "apps.read", "llms.read", "budget.read", "pricing.read", "credentials.validate", "kv.readwrite", "control.send",
]  # fmt: skip
LEGACY = {"pre_auth": "pre_auth", "auth": "auth", "post_auth": "post_auth", "response": "on_response"}
"""What the older generation has a binary for, and the hook that it is registered for."""
UNSCOPED = {"GetLicenseInfo", "Publish", "heard"}
"""What everybody may ask for."""
APPROVED = {"WritePluginKV", "ReadPluginKV", "DeletePluginKV", "ListApps", "GetApp"}
"""What its manifest's scopes are for."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="edge")
async def _edge(tmp_path_factory: pytest.TempPathFactory, go_plugins: GoPlugins) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("go")
    async with open_edge(folder, "go-plugins", settings=lambda url: of_file(folder, go_plugins, url)) as edge:
        await made(edge.manager, "/pricing", vendor="openai", model_name="gpt-4o*", cpt=6e-7, cpit=1.5e-7)
        yield edge


def of_file(folder: Path, go_plugins: GoPlugins, url: str) -> dict[str, Any]:
    """Those that say whose a credential is say app 1, and so there is one: these are registered in the file."""
    plugins = [{"id": 1, "name": "gopher", "command": install(plugin_folder(folder), go_plugins.unified),
                "hook_types": ["pre_auth", "auth", "post_auth", "on_response"]}]  # fmt: skip
    for hook, kind in LEGACY.items():
        command = install(plugin_folder(folder), go_plugins.legacy(hook))
        plugins.append({"id": len(plugins) + 1, "name": f"legacy_{hook}", "command": command, "hook_types": [kind]})
    names = [str(plugin["name"]) for plugin in plugins]
    llms = [
        {"id": 1, "slug": "gophers", "base_url": url, "plugins": names[:1]},
        {"id": 2, "slug": "elders", "base_url": url, "plugins": names[1:]},
    ]
    return {"plugins": plugins, "llms": llms, "apps": [{"id": 1, "name": "one", "llms": ["gophers", "elders"]}]}


async def unified(edge: Edge, go_plugins: GoPlugins, **values: Any) -> int:
    """The newer generation, ready."""
    found = await edge.plugin(edge.install(go_plugins.unified), name="go", **values)
    await edge.instance(found)
    return found


async def test_the_newer_generation_as_post_auth_plugin(edge: Edge, go_plugins: GoPlugins) -> None:
    """Its headers and its body reach the vendor, its configuration reached it, and the event says what it did."""
    found = await unified(edge, go_plugins, config={"value": "from-rest"}, hook_type="post_auth")
    target = await edge.target(found)
    answer = await target.ask(x_own="kept")
    assert answer.status_code == 200, answer.text
    seen = edge.seen(answer)
    added = {name: seen.header(name) for name in ("x-go-value", "x-go-app", "x-own", "content-length")}
    assert added == {
        "x-go-value": "from-rest", "x-go-app": str(target.app_id), "x-own": "kept",
        "content-length": str(len(seen.body)),
    }  # fmt: skip
    assert json.loads(seen.body)["user"] == "go"
    event = await edge.proxy_log(answer)
    assert [(each["plugin"], each["hook"], each["decision"]) for each in event["plugins"]] == [
        (await edge.slug(found), "post_auth", "modify")
    ]
    assert event["plugins"][0]["micros"] > 0


async def test_all_hooks_of_the_newer_generation(edge: Edge) -> None:
    """One process: it authenticates, blocks, changes requests and answers, and sees streams."""
    target = Target(edge, 1, "gophers", 1, "")
    blocked = await target.ask(x_block="1", token="go-secret")
    assert (blocked.status_code, blocked.headers["x-why"]) == (451, "pre-auth")
    assert blocked.json()["error"]["message"] == "not before authentication"
    assert (await target.ask(token="wrong")).status_code == 401
    answer = await target.ask("text=secret;chunks=1", token="go-secret")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-go-response"] == "yes"
    assert answer.json()["choices"][0]["message"]["content"] == "******"
    event = await edge.proxy_log(answer)
    assert event["app_id"] == 1


async def test_the_older_generation_at_every_hook(edge: Edge) -> None:
    """A binary for each hook, all on one LLM; what one does not know it leaves alone."""
    target = Target(edge, 2, "elders", 1, "")
    assert (await target.ask(token="wrong")).status_code == 401
    answer = await target.ask(token="legacy-secret", x_own="kept")
    assert (answer.status_code, answer.text) == (200, "legacy")
    seen = edge.seen(answer)
    assert (seen.header("x-legacy"), seen.header("x-own")) == ("post_auth", "kept")
    event = await edge.proxy_log(answer)
    assert {(each["hook"], each["decision"]) for each in event["plugins"]} >= {
        ("pre_auth", "modify"), ("auth", "accept"), ("post_auth", "modify"), ("response_body", "modify"),
    }  # fmt: skip


async def test_endpoints_answer_whole_and_in_pieces(edge: Edge, go_plugins: GoPlugins) -> None:
    """Below the plugin's slug, with its status and headers; a stream is a stream, and each call is in the log."""
    slug = await edge.slug(await unified(edge, go_plugins))
    echoed = await edge.client.post(f"/plugins/{slug}/echo", content=b"hello")
    assert (echoed.status_code, echoed.headers["x-go"]) == (201, "echo")
    assert echoed.text == f"POST /plugins/{slug}/echo hello"
    streamed = await edge.client.get(f"/plugins/{slug}/stream")
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    wrong = await edge.client.put(f"/plugins/{slug}/echo", content=b"")
    assert (wrong.status_code, set(wrong.headers["allow"].split(", ")) >= {"GET", "POST"}) == (405, True)
    assert (await edge.client.get(f"/plugins/{slug}/nothing")).status_code == 404
    assert (await edge.client.post(f"/plugins/{slug}/services", content=b"")).status_code == 401
    event = await edge.proxy_log(echoed)
    assert (event["outcome"], event["response_code"]) == ("ok", 201)


async def test_a_client_that_leaves_a_stream_ends_it(edge: Edge, go_plugins: GoPlugins) -> None:
    """The plugin is told, so that nothing runs for nobody."""
    slug = await edge.slug(await unified(edge, go_plugins))
    async with edge.client.stream("GET", f"/plugins/{slug}/stream?endless") as answer:
        async for _ in answer.aiter_bytes():
            break

    async def cancelled() -> bool:
        return any(line["plugin"] == slug for line in edge.logged("stream was cancelled"))

    await until_found(cancelled, SECONDS, "the plugin's stream ended")


async def services(edge: Edge, slug: str, target: Target) -> dict[str, Any]:
    """What a plugin heard of every service."""
    headers = {"authorization": f"Bearer {target.token}"}
    answer = await edge.client.post(f"/plugins/{slug}/services", content=b"", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_every_service_is_answered(edge: Edge, go_plugins: GoPlugins) -> None:
    """With its scopes: what the gateway itself serves by, the plugin's own keys, messages to itself, and control."""
    found = await unified(edge, go_plugins, service_scopes=SCOPES)
    target = await edge.target(found, app={"monthly_budget": "5"})
    slug = await edge.slug(found)
    told = await services(edge, slug, target)
    assert {name: answer for name, answer in told.items() if "error" in answer} == {}
    assert told["ReadPluginKV"]["value"] == "dg=="  # "v"
    assert told["GetLLM"]["llm"]["id"] == 1
    assert told["GetApp"]["app"]["id"] == 1
    assert told["GetModelPrice"]["modelPrice"]["modelName"].startswith("gpt-4o")
    assert not told["ValidateCredential"].get("valid", False)
    assert told["QueueControlPayload"]["success"] is True
    assert told["GetLicenseInfo"]["licenseValid"] is True

    async def heard() -> str:
        return str((await services(edge, slug, target))["heard"])

    assert "hello" in await until_found(heard, SECONDS, "what the plugin published")

    async def handled() -> float:
        return await edge.stack.gateway.metric("sluice_plugin_payloads_total", f'plugin="{slug}"', 'outcome="handled"')

    await until_found(handled, SECONDS, "the payload at its receiver")


async def test_without_scopes_every_service_is_refused(edge: Edge, go_plugins: GoPlugins) -> None:
    """With the protocol's own word for it, the scope's name and where it is granted; the plugin says so itself."""
    found = await unified(edge, go_plugins)
    told = await services(edge, await edge.slug(found), await edge.target(found))
    refused = {name: answer["error"] for name, answer in told.items() if "error" in answer}
    assert set(refused) == set(told) - UNSCOPED
    for name, error in refused.items():
        assert "PermissionDenied" in error, name
        assert "service_scopes" in error, name


async def test_scopes_are_approved_as_its_manifest_asks(edge: Edge, go_plugins: GoPlugins) -> None:
    """Loaded, looked at, approved: from the next call on it has exactly what it asked for, and can lose it again."""
    found = await unified(edge, go_plugins)
    target, slug = await edge.target(found), await edge.slug(found)
    loaded = (await edge.manager.post(f"/plugins/{found}/validate-and-load")).json()["data"]
    assert (loaded["status"], loaded["where"], loaded["plugin_version"]) == ("scopes_pending", "process", "1.2.3")
    assert set(loaded["scopes"]) == {"kv.readwrite", "apps.read"}
    for is_approved in (True, False):
        answer = await edge.manager.post(f"/plugins/{found}/approve-scopes", json={"approved": is_approved})
        assert answer.status_code == 200, answer.text
        told = await services(edge, slug, target)
        granted = {name for name, each in told.items() if "error" not in each} - UNSCOPED
        assert granted == (APPROVED if is_approved else set())


async def test_an_attachment_s_own_configuration_is_a_process_of_its_own(edge: Edge, go_plugins: GoPlugins) -> None:
    """Two LLMs, one plugin, two configurations at once; and an app's own place is that app's alone."""
    found = await unified(edge, go_plugins, config={"value": "shared"}, hook_type="post_auth")
    plain, own = await edge.target(found), await edge.target(found)
    await changed(edge.manager, f"/llms/{own.llm_id}/plugins/{found}/config", config={"value": "own"})
    assert edge.seen(await plain.ask()).header("x-go-value") == "shared"
    assert edge.seen(await own.ask()).header("x-go-value") == "own"
    instances = (await edge.health(found))["instances"]
    assert len({each["pid"] for each in instances}) == len(instances) == 2
    await changed(edge.manager, f"/llms/{own.llm_id}/plugins/{found}/config", config=None, app_id=plain.app_id)
    assert edge.seen(await own.ask()).header("x-go-value") is None


async def test_many_exchanges_at_once(edge: Edge, go_plugins: GoPlugins) -> None:
    """One process serves them all; none gets another's answer."""
    found = await unified(edge, go_plugins, hook_type="post_auth")
    targets = [await edge.target(found), await edge.target(found)]
    answers = await asyncio.gather(*(targets[number % 2].ask(x_own=str(number)) for number in range(50)))
    for number, answer in enumerate(answers):
        seen = edge.seen(answer)
        assert (seen.header("x-own"), seen.header("x-go-app")) == (str(number), str(targets[number % 2].app_id))
