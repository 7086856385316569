"""The plugins of an LLM: which, in which order, with which settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Path, Response
from pydantic import Field

from gateway.control.api.call import Call, CallOf
from gateway.control.api.config_secrets import with_secrets
from gateway.control.api.envelopes import All, One
from gateway.control.api.fields import MAX_ID, Body, Flag, Id, Ids, Object, example
from gateway.control.api.paging import by_ids
from gateway.control.api.problems import Problem
from gateway.control.api.renderer import Answer
from gateway.control.api.report_views import AttachedPlugin, AttachedPluginView, AttachmentView
from gateway.control.api.route import control_router
from gateway.control.entities import Attachment, LlmEntity
from gateway.control.errors import StaleVersionError

router = control_router("llms")
LlmId = Annotated[int, Path(ge=1, le=MAX_ID)]
PluginId = Annotated[int, Path(ge=1, le=MAX_ID)]
_ATTEMPTS = 5
_MAX_PLUGINS = 100

Change = Callable[[Sequence[Attachment]], Sequence[Attachment]]


class LlmPlugins(Body):
    """All plugins of the LLM, in the order they act."""

    model_config = example({"plugin_ids": [1, 2, 3]})

    plugin_ids: Annotated[Ids, Field(max_length=_MAX_PLUGINS)]


class AttachmentChange(Body):
    """Any of an attachment's settings; those that are not named stay as they are."""

    model_config = example({"config": {"additional_instruction": "Be terse."}, "is_active": True}, is_change=True)

    config: Object | None = None
    """Instead of the plugin's own; null takes that one again."""
    app_id: Id | None = None
    """Only for this app's exchanges; null is for all. Of an ``auth`` plugin: the app where it names none."""
    on_stream: Literal["buffer", "refuse", "skip"] | None = None
    """Instead of the plugin's own; null takes that one again."""
    is_active: Flag = True


@router.get("/llms/{llm_id}/plugins", name="llm.plugins.read", response_model=All[AttachedPluginView])
async def list_llm_plugins(llm_id: LlmId, call: CallOf) -> Response:
    """The plugins of an LLM, in the order they act."""
    llm = await call.store.llms.get(llm_id)
    return await call.answer(Answer(data=await _attached(call, llm), version=llm.version, shows_others=True))


@router.put("/llms/{llm_id}/plugins", name="llm.plugins.updated", response_model=All[AttachedPluginView])
async def replace_llm_plugins(llm_id: LlmId, body: LlmPlugins, call: CallOf) -> Response:
    """Attach exactly these, in this order; those that stay keep their settings. Acts on the next request."""

    def change(attachments: Sequence[Attachment]) -> Sequence[Attachment]:
        present = {attachment.plugin_id: attachment for attachment in attachments}
        return [present.get(plugin_id) or Attachment(plugin_id=plugin_id) for plugin_id in body.plugin_ids]

    llm = await _change(call, llm_id, change)
    return await call.changed(Answer(data=await _attached(call, llm), version=llm.version))


@router.get(
    "/llms/{llm_id}/plugins/{plugin_id}/config", name="llm.plugin_config.read", response_model=One[AttachmentView]
)
async def read_llm_plugin_config(llm_id: LlmId, plugin_id: PluginId, call: CallOf) -> Response:
    """A plugin's settings on this LLM."""
    llm = await call.store.llms.get(llm_id)
    return await call.answer(Answer(data=_of_plugin(llm.attachments, plugin_id), version=llm.version))


@router.put(
    "/llms/{llm_id}/plugins/{plugin_id}/config", name="llm.plugin_config.updated", response_model=One[AttachmentView]
)
async def update_llm_plugin_config(
    llm_id: LlmId, plugin_id: PluginId, body: AttachmentChange, call: CallOf
) -> Response:
    """Change a plugin's settings on this LLM."""

    def change(attachments: Sequence[Attachment]) -> Sequence[Attachment]:
        present = _of_plugin(attachments, plugin_id)
        values = body.given()
        if values.get("config") is not None:
            values["config"] = with_secrets(values["config"], present.config or {})
        changed = replace(present, **values)
        return [changed if attachment is present else attachment for attachment in attachments]

    llm = await _change(call, llm_id, change)
    return await call.changed(Answer(data=_of_plugin(llm.attachments, plugin_id), version=llm.version))


async def _change(call: Call, llm_id: int, change: Change) -> LlmEntity:
    """Read, change, write; again where somebody else wrote between, unless the client named a version."""
    asked = call.if_version
    for attempt in range(_ATTEMPTS):
        llm = await call.store.llms.get(llm_id)
        values = {"attachments": tuple(change(llm.attachments))}
        try:
            return await call.store.llms.update(llm_id, values, call.actor, llm.version if asked is None else asked)
        except StaleVersionError:
            if asked is not None or attempt == _ATTEMPTS - 1:
                raise
    raise Problem(409, "busy", "others change this LLM all the time; try again")


async def _attached(call: Call, llm: LlmEntity) -> tuple[AttachedPlugin, ...]:
    plugins = await by_ids(call.store.plugins, [attachment.plugin_id for attachment in llm.attachments])
    return tuple(
        AttachedPlugin(plugins[attachment.plugin_id], attachment, place)
        for place, attachment in enumerate(llm.attachments)
        if attachment.plugin_id in plugins
    )


def _of_plugin(attachments: Sequence[Attachment], plugin_id: int) -> Attachment:
    for attachment in attachments:
        if attachment.plugin_id == plugin_id:
            return attachment
    message = f"plugin {plugin_id} is not attached to this LLM; attach it with PUT /llms/<id>/plugins"
    raise Problem(404, "not_attached", message, error="Plugin not attached")
