"""Plugins on an LLM: order is the list's, settings stay with their plugin, unknown ones are refused."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.gateway.control.api.harness import Api


async def attached(api: Api, count: int = 3) -> list[int]:
    """An LLM with so many plugins."""
    await api.llm()
    ids = [(await api.plugin(f"plugin {number}"))["id"] for number in range(count)]
    await api.put("/llms/1/plugins", {"plugin_ids": ids})
    return ids


async def test_plugins_act_in_the_order_of_the_list(api: Api) -> None:
    """The answer, a look at them and the LLM say the same order; another list is another order, an empty one none."""
    first, second, third = await attached(api)
    for ids in ([third, first, second], [second], []):
        answer = await api.put("/llms/1/plugins", {"plugin_ids": ids})
        assert answer["message"] == "LLM plugins updated successfully"
        assert [each["id"] for each in answer["data"]] == ids
        assert [each["order_index"] for each in answer["data"]] == list(range(len(ids)))
        assert [each["id"] for each in (await api.get("/llms/1/plugins"))["data"]] == ids
        assert (await api.get("/llms/1"))["data"]["plugin_ids"] == ids


BAD: list[Any] = [[77], [1, 77], [1, 1], [0], [-1], [2**53], ["1"], [1.0], [True], 1, None, list(range(1, 102))]


async def test_what_cannot_be_attached_is_refused(api: Api) -> None:
    """400, and what was attached stays: the reference takes unknown ids in silence."""
    await attached(api, 1)
    for ids in BAD:
        refused = await api.put("/llms/1/plugins", {"plugin_ids": ids}, 400)
        assert refused["field"], refused
    assert (await api.get("/llms/1"))["data"]["plugin_ids"] == [1]


async def test_a_plugin_has_settings_of_its_own_on_an_llm(api: Api) -> None:
    """A change changes what it names; a new order leaves them, a detachment does not; null takes the plugin's own."""
    first, second, _ = await attached(api)
    path = f"/llms/1/plugins/{second}/config"
    plain = {"plugin_id": second, "config": None, "app_id": None, "is_active": True, "on_stream": None}
    assert (await api.get(path))["data"] == plain
    changed = (await api.put(path, {"config": {"a": 1.5}, "app_id": 1}))["data"]
    assert changed == {**plain, "config": {"a": 1.5}, "app_id": 1}
    assert (await api.put(path, {"on_stream": "skip"}))["data"] == {**changed, "on_stream": "skip"}
    await api.put(path, {"on_stream": "shout"}, 400)
    assert (await api.put(path, {"on_stream": None}))["data"] == changed
    assert (await api.put(path, {"is_active": False}))["data"] == {**changed, "is_active": False}
    listed = (await api.put("/llms/1/plugins", {"plugin_ids": [second, first]}))["data"]
    assert listed[0]["attachment"] == {**changed, "is_active": False}
    assert (await api.put(path, {"config": None, "app_id": None, "is_active": True}))["data"] == plain
    await api.put(path, {"config": {"b": 2}})
    await api.put("/llms/1/plugins", {"plugin_ids": [first]})
    await api.put("/llms/1/plugins", {"plugin_ids": [first, second]})
    assert (await api.get(path))["data"] == plain


async def test_settings_are_of_what_is_attached(api: Api) -> None:
    """404 for an LLM, a plugin or an attachment that is not there; 400 for an app that is not."""
    await attached(api, 1)
    other = (await api.plugin("other"))["id"]
    for path in (f"/llms/1/plugins/{other}/config", "/llms/1/plugins/99/config", "/llms/9/plugins/1/config"):
        await api.get(path, 404)
        await api.put(path, {}, 404)
    refused = await api.put("/llms/1/plugins/1/config", {"app_id": 99}, 400)
    assert refused["code"] == "unknown_reference"
    bad: dict[str, Any]
    for bad in ({"config": []}, {"app_id": "1"}, {"is_active": None}, {"plugin_id": 1}):
        await api.put("/llms/1/plugins/1/config", bad, 400)


async def test_changes_at_once_are_all_kept(api: Api) -> None:
    """Each reads, changes and writes: none writes over another."""
    ids = await attached(api)
    async with asyncio.TaskGroup() as tasks:
        for plugin_id in ids:
            path = f"/llms/1/plugins/{plugin_id}/config"
            tasks.create_task(api.put(path, {"config": {"mine": plugin_id}}))
    listed = (await api.get("/llms/1/plugins"))["data"]
    assert [each["attachment"]["config"] for each in listed] == [{"mine": plugin_id} for plugin_id in ids]


async def test_a_named_version_is_not_tried_again(api: Api) -> None:
    """412 where the LLM changed since."""
    ids = await attached(api)
    stale = {"headers": {"if-match": '"1"'}}
    await api.put("/llms/1/plugins", {"plugin_ids": ids[:1]}, 412, **stale)
    await api.put(f"/llms/1/plugins/{ids[0]}/config", {"is_active": False}, 412, **stale)


async def test_a_deleted_plugin_is_detached(api: Api) -> None:
    """Everywhere."""
    first, second, third = await attached(api)
    await api.delete(f"/plugins/{second}")
    assert (await api.get("/llms/1"))["data"]["plugin_ids"] == [first, third]


async def test_secrets_of_an_attachment_are_not_shown_and_not_lost(api: Api) -> None:
    """As those of a plugin."""
    await attached(api, 1)
    path = "/llms/1/plugins/1/config"
    assert (await api.put(path, {"config": {"token": "hush", "a": 1}}))["data"]["config"] == {"token": "***", "a": 1}
    assert (await api.put(path, {"config": {"token": "***", "a": 2}}))["data"]["config"] == {"token": "***", "a": 2}
    assert "hush" not in repr(await api.get("/llms/1/plugins"))
    assert (await api.store.llms.get(1)).attachments[0].config == {"token": "hush", "a": 2}
