"""The OpenAPI document: what the framework finds, and what it cannot: errors, preconditions, keys, who may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from gateway.control.api.envelopes import Refused

_METHODS = frozenset(("get", "post", "put", "delete"))
_SCHEME = "token"
CONDITIONAL = frozenset(
    (
        "read_llm",
        "read_llm_plugin_config",
        "read_app",
        "read_token",
        "read_credential",
        "read_price",
        "read_plugin",
        "read_workflow_status",
    )
)
"""Looks at one entity and nothing else: 304 for who has it."""
_DESCRIPTION = (
    "Manages LLMs, apps, tokens, prices, plugins and budgets. Bodies are JSON whatever their Content-Type says. "
    "A change takes effect on the next request of the worker that made it, and within 100 ms on its host."
)
_REFUSALS = {
    "400": ("What was sent cannot be used; `field` says what.", "invalid", "name: is required; add it"),
    "401": ("No token, or one that is unknown or expired.", "missing_token", "send an admin token"),
    "403": ("The token may not manage, or not from there.", "insufficient_scope", "it needs the scope admin (or *)"),
    "404": ("There is no such thing.", "not_found", "there is no llm with id 999"),
    "409": ("Taken, in use, or managed by the settings file.", "duplicate", "name: 'x' belongs to another llm"),
    "412": ("Changed meanwhile: `If-Match` names another version.", "stale_version", "it has version 3; read it again"),
    "413": ("Larger than 1 MiB.", "request_too_large", "the body is larger than 1048576 bytes"),
    "429": ("Too many failed attempts from this network.", "too_many_attempts", "try again in 1 s"),
    "501": ("Not in this version; the message says what to do.", "filters_are_plugins", "filters are plugins here"),
    "503": ("The database or the event store cannot be used now.", "database_unavailable", "try again"),
}


def document(application: FastAPI, version: str, prefix: str) -> dict[str, Any]:
    """The whole document. Building it takes half a second, so callers keep it."""
    built = get_openapi(
        title="Sluice control API",
        version=version,
        description=_DESCRIPTION,
        routes=application.routes,
        servers=[{"url": prefix}],
    )
    components = built.setdefault("components", {})
    components["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer", "description": "a token of scope admin or *"}
    }
    built["security"] = [{_SCHEME: []}]
    _add_schema(components)
    for path, method, operation in _operations(built):
        _complete(path, method, operation)
        _add_examples(operation, components["schemas"])
    return built


def _operations(built: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in built["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def _add_schema(components: dict[str, Any]) -> None:
    template = "#/components/schemas/{model}"
    _, found = models_json_schema([(Refused, "serialization")], ref_template=template)
    schemas = components.setdefault("schemas", {})
    schemas.update(found["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's own shape, which nobody ever gets
        schemas.pop(name, None)


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    operation["summary"] = operation["operationId"].replace("_", " ").capitalize().replace("llm", "LLM")
    answers = operation["responses"]
    answers.pop("422", None)
    if "501" in answers:
        operation["responses"] = {status: _refusal(status) for status in ("401", "403", "429", "501", "503")}
        return
    is_public = operation.get("security") == []
    for status in _refusals_of(path, method, operation, is_public=is_public):
        answers[status] = _refusal(status)
    names = _headers_of(method, operation)
    if "If-None-Match" in names:
        answers["304"] = {"description": "The client has this version already."}
    operation.setdefault("parameters", []).extend(_HEADERS[name] for name in names)


def _refusals_of(path: str, method: str, operation: dict[str, Any], *, is_public: bool) -> Iterator[str]:
    yield from ("400", "401", "429", "503") if is_public else ("400", "401", "403", "429", "503")
    if "{" in path or method != "get":
        yield "404"
    if method != "get" and not is_public:
        yield from ("409", "412")
    if "requestBody" in operation:
        yield "413"


def _headers_of(method: str, operation: dict[str, Any]) -> list[str]:
    if method == "post":
        return ["Idempotency-Key"] if "201" in operation["responses"] else []
    if method in {"put", "delete"}:
        return ["If-Match"]
    return ["If-None-Match"] if operation["operationId"] in CONDITIONAL else []


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """An example of each answer, made of the examples of its fields."""
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values() if status.startswith("2") else ():
            content.setdefault("example", example_of(content["schema"], schemas))


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """A value that a schema allows; its own example where it has one."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    for choice in schema.get("anyOf", ()):
        return example_of(choice, schemas)
    if "properties" in schema:
        return {name: example_of(field, schemas) for name, field in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    values: dict[str, Any] = {"string": "", "integer": 0, "number": 0.0, "boolean": True, "null": None}
    return values.get(schema.get("type", ""), {})


def _refusal(status: str) -> dict[str, Any]:
    description, code, message = _REFUSALS[status]
    example = {"error": description.partition(".")[0], "message": message, "code": code}
    content = {"schema": {"$ref": "#/components/schemas/Refused"}, "example": example}
    return {"description": description, "content": {"application/json": content}}


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": 255}
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
        "example": example,
    }


_HEADERS = {
    "If-Match": _header("If-Match", "Only if it still has this version; else 412.", '"1"'),
    "If-None-Match": _header("If-None-Match", "304 if it still has this version.", '"1"'),
    "Idempotency-Key": _header(
        "Idempotency-Key", "The same request with the same key is done once, and answered the same for a day.", "8e03a1"
    ),
}
