"""Filters of the reference are scripts; here plugins do what they did, so these routes say how."""

from __future__ import annotations

from fastapi import Response

from gateway.control.api.call import CallOf
from gateway.control.api.problems import not_in_this_version
from gateway.control.api.route import control_router

router = control_router("filters")
_MESSAGE = (
    "filters are plugins here: write one with sluice.sdk (PostAuthHandler for requests, ResponseHandler for answers), "
    "POST /api/v1/plugins, then PUT /api/v1/llms/{id}/plugins"
)
_ROUTES = (
    ("GET", "/filters", "list_filters"),
    ("POST", "/filters", "create_filter"),
    ("GET", "/filters/{filter_id}", "read_filter"),
    ("PUT", "/filters/{filter_id}", "update_filter"),
    ("DELETE", "/filters/{filter_id}", "delete_filter"),
    ("GET", "/llms/{llm_id}/filters", "list_llm_filters"),
    ("PUT", "/llms/{llm_id}/filters", "replace_llm_filters"),
)


async def _refuse(call: CallOf) -> Response:  # noqa: ARG001 - every route has a call
    """Not in this version: says what to do instead."""
    raise not_in_this_version(_MESSAGE, "filters_are_plugins")


for _method, _path, _name in _ROUTES:
    router.add_api_route(_path, _refuse, methods=[_method], name=f"filter.{_name}", operation_id=_name, status_code=501)
