"""The system: what it is, and a reload that nobody needs."""

from __future__ import annotations

from fastapi import Response

from gateway.control.api.call import CallOf
from gateway.control.api.envelopes import Done, One
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.system_views import SystemState, SystemView

router = control_router("system")


@router.get("/system/info", name="system.read", response_model=One[SystemView])
async def read_system(call: CallOf) -> Response:
    """Version, the number of the last change, and how much of everything there is."""
    store = call.store
    counts = {
        "llms": (await store.llms.find(limit=1)).total,
        "apps": (await store.apps.find(limit=1)).total,
        "tokens": (await store.tokens.find(limit=1)).total,
        "prices": (await store.prices.find(limit=1)).total,
        "plugins": (await store.plugins.find(limit=1)).total,
    }
    return await call.answer(Answer(data=SystemState(call.services.info, await store.generation(), counts)))


@router.post("/system/reload", name="system.reloaded", response_model=Done)
async def reload_system(call: CallOf) -> Response:
    """Nothing to do: changes take effect by themselves. What other hosts changed is looked for now, not in a second."""
    return await call.changed(Answer())
