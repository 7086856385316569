"""The protocol's methods that are another product's: its user interface, agents, schedules and resources.

They answer what a plugin without those capabilities answers, never an error, since hosts ask every plugin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from sluice.plugin_wire import plugin_pb2 as pb

_ANSWERS: Mapping[str, Any] = {
    "GetAsset": pb.GetAssetResponse(success=False, error_message="plugin does not provide assets"),
    "ListAssets": pb.ListAssetsResponse(success=True),
    "Call": pb.CallResponse(success=False, error_message="plugin does not provide calls"),
    "PortalCall": pb.PortalCallResponse(success=False, error_message="plugin does not provide portal calls"),
    "GetObjectHookRegistrations": pb.GetObjectHookRegistrationsResponse(),
    "HandleObjectHook": pb.ObjectHookResponse(allow_operation=True),
    "ExecuteScheduledTask": pb.ExecuteScheduledTaskResponse(
        success=False, error_message="plugin does not run scheduled tasks"
    ),
    "GetResourceTypeRegistrations": pb.GetResourceTypeRegistrationsResponse(),
    "ListResourceInstances": pb.ListResourceInstancesResponse(
        success=False, error_message="plugin does not provide resources"
    ),
    "GetResourceInstance": pb.GetResourceInstanceResponse(
        success=False, error_message="plugin does not provide resources"
    ),
    "ValidateResourceSelection": pb.ValidateResourceSelectionResponse(
        valid=False, error_message="plugin does not provide resources"
    ),
    "CreateResourceInstance": pb.CreateResourceInstanceResponse(
        success=False, error_message="plugin does not provide resources"
    ),
}


def unserved() -> dict[str, Callable[[Any, Any], Any]]:
    """The behaviours, by method."""
    return {**{method: _always(answer) for method, answer in _ANSWERS.items()}, "HandleAgentMessage": _no_agent}


def _always(answer: Any) -> Callable[[Any, Any], Any]:
    async def behaviour(request: Any, context: Any) -> Any:  # noqa: ARG001 - gRPC's arguments
        return answer

    return behaviour


async def _no_agent(request: Any, context: Any) -> AsyncIterator[pb.AgentMessageChunk]:  # noqa: ARG001 - as above
    yield pb.AgentMessageChunk(
        type=pb.AgentMessageChunk.ERROR, content="plugin does not implement an agent", is_final=True
    )
