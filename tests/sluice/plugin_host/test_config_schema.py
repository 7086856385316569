"""A configuration is right by its schema before a plugin sees it; what is wrong is told without what it holds."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from sluice.plugin_host.config_schema import MAX_SCHEMA_BYTES, config_by_schema, parse_schema, schema_of
from sluice.plugin_host.errors import PluginLoadError
from sluice.sdk import BasePlugin, ConfigProvider, Context, PostAuthHandler
from tests.sluice.plugin_host.plugins import Limit, NoHook

SEED: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "api_key": {"type": "string", "minLength": 1},
        "endpoint": {"type": "string", "format": "uri", "default": "https://api.example.com"},
        "batch_size": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
        "retry": {
            "type": "object",
            "default": {},
            "properties": {"times": {"type": "integer", "default": 3}, "pause": {"type": "number"}},
        },
        "rules": {"type": "array", "items": {"type": "object", "properties": {"mode": {"default": "shadow"}}}},
    },
    "required": ["api_key"],
    "additionalProperties": False,
}
"""The schema that plugin authors are shown first, and something nested."""


def refusal(config: dict[str, Any], schema: dict[str, Any] = SEED) -> PluginLoadError:
    """Why a configuration is refused."""
    with pytest.raises(PluginLoadError) as caught:
        config_by_schema("p", schema, config)
    assert caught.value.plugin == "p"
    return caught.value


def test_defaults_are_filled_in_at_any_depth() -> None:
    """What is given stays; the operator's own mapping is not touched."""
    given_config = {"api_key": "k", "rules": [{"mode": "enforce"}, {}]}
    assert config_by_schema("p", SEED, given_config) == {
        "api_key": "k",
        "endpoint": "https://api.example.com",
        "batch_size": 100,
        "retry": {"times": 3},
        "rules": [{"mode": "enforce"}, {"mode": "shadow"}],
    }
    assert given_config == {"api_key": "k", "rules": [{"mode": "enforce"}, {}]}
    again = config_by_schema("p", SEED, {"api_key": "k"})
    again["retry"]["times"] = 9
    assert config_by_schema("p", SEED, {"api_key": "k"})["retry"] == {"times": 3}, "a default is nobody's own"


def test_defaults_are_found_behind_references() -> None:
    """Within the schema, and within what it consists of."""
    schema = {
        "definitions": {"size": {"type": "integer", "default": 7}, "part": {"properties": {"b": {"default": 8}}}},
        "properties": {"a": {"$ref": "#/definitions/size"}},
        "allOf": [{"$ref": "#/definitions/part"}],
    }
    assert config_by_schema("p", schema, {}) == {"a": 7, "b": 8}


def test_a_default_that_is_against_the_schema_is_refused() -> None:
    """It would reach the plugin as if an operator had chosen it."""
    schema = {"properties": {"a": {"type": "integer", "default": "hunter2"}}}
    assert "config.a is string, not integer" in str(refusal({}, schema))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "config.api_key is missing"),
        ({"api_key": ""}, "config.api_key is against its rule minLength: 1"),
        ({"api_key": ["hunter2"]}, "config.api_key is array, not string"),
        ({"api_key": None}, "config.api_key is null, not string"),
        ({"api_key": "k", "batch_size": 0}, "config.batch_size is against its rule minimum: 1"),
        ({"api_key": "k", "batch_size": "hunter2"}, "config.batch_size is string, not integer"),
        ({"api_key": "k", "batch_size": True}, "config.batch_size is boolean, not integer"),
        ({"api_key": "k", "apikey": "hunter2"}, "config has keys that are unknown: apikey"),
        ({"api_key": "k", "retry": {"times": 1.5}}, "config.retry.times is number, not integer"),
        ({"api_key": "k", "rules": [{}, "hunter2"]}, "config.rules[1] is string, not object"),
    ],
)
def test_what_is_wrong_is_told_by_key_and_rule(config: dict[str, Any], said: str) -> None:
    """And never by its value, which may be a credential: neither in the message nor in what it was raised from."""
    error = refusal(config)
    assert said in error.problem
    assert "hunter2" not in str(error)
    assert error.__cause__ is None


def test_everything_wrong_is_told_at_once() -> None:
    """Within reason: a configuration of a thousand faults is told of ten."""
    problem = refusal({"batch_size": 0, "x": 1}).problem
    assert problem.count("; ") == 2
    many = {"items": {"type": "integer"}, "type": "array"}
    assert refusal({"a": ["x"] * 1_000}, {"properties": {"a": many}}).problem.count("; ") == 9


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"}, {"properties": []}, {"required": "api_key"}, {"minimum": "1"},
        {"properties": {"a": {"pattern": "("}}}, {"$ref": "#/definitions/nowhere"},
        {"properties": {"a": {"$ref": "#/definitions/nowhere"}}}, {"properties": {"a": {"type": ["x"]}}},
        {"$ref": "#"}, {"definitions": {"a": {"$ref": "#/definitions/a"}}, "$ref": "#/definitions/a"},
    ],
)  # fmt: skip
def test_a_schema_that_is_none_is_the_plugin_s_fault(schema: dict[str, Any]) -> None:
    """It is said so, whatever the configuration; nothing of it hangs or crashes."""
    assert refusal({"a": "x"}, schema).remedy == "correct the plugin's config schema"


def test_a_schema_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference to another document is an error, and not a call that a plugin makes us make."""
    called: list[Any] = []

    def look_up(*values: Any, **_: Any) -> list[Any]:
        called.append(values)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for url in ("http://127.0.0.1:9/schema.json", "file:///etc/passwd", "other.json"):
        assert "cannot be applied" in refusal({"a": 1}, {"properties": {"a": {"$ref": url}}}).problem
    assert called == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "is no JSON"), (b"\xff\xfe\x00", "is no JSON"), (b"[]", "is a JSON array, not an object"),
        (b"true", "is a JSON boolean"), (b"null", "is a JSON null"), (b"[" * 100_000, "is no JSON"),
        (b" " * (MAX_SCHEMA_BYTES + 1), "more than"), ({"type": "object"}, "of type dict, not JSON text"),
        (None, "of type NoneType, not JSON text"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_schema_is_refused(text: Any, said: str) -> None:
    """By what it is."""
    with pytest.raises(PluginLoadError) as caught:
        parse_schema("p", text)
    assert said in caught.value.problem


@pytest.mark.parametrize("text", [b"", b"  \n", "{}", bytearray(b"{}")])
def test_no_schema_takes_anything(text: Any) -> None:
    """A plugin that says nothing restricts nothing."""
    assert config_by_schema("p", parse_schema("p", text), {"any": ["thing"]}) == {"any": ["thing"]}


def provider(answer: Callable[[], Any]) -> BasePlugin[Any]:
    """A plugin with this schema."""

    class Provider(BasePlugin, PostAuthHandler, ConfigProvider):
        def get_config_schema(self) -> Any:
            return answer()

        async def handle_post_auth(self, ctx: Context, request: Any) -> Any:
            return None

    return Provider()


def test_the_schema_of_either_kind_is_shown() -> None:
    """A model's as pydantic says it, a provider's own, none of one that has none."""
    shown = schema_of(Limit())
    assert shown is not None
    assert shown["properties"]["max_body_bytes"]["default"] == 64_000
    assert schema_of(provider(lambda: json.dumps(SEED).encode())) == SEED
    assert schema_of(NoHook()) is None


def test_a_model_that_json_cannot_describe_has_no_schema() -> None:
    """It validates all the same, so its plugin is as good as any."""

    class Odd(BaseModel):
        model_config = {"arbitrary_types_allowed": True}
        thing: socket.socket | None = None

    class Plugin(BasePlugin[Odd]):
        """Has it."""

    assert schema_of(Plugin()) is None


def test_a_provider_that_raises_is_refused_by_the_operator_s_name() -> None:
    """One that exits does not take us along."""

    def exits() -> None:
        raise SystemExit(3)

    with pytest.raises(PluginLoadError, match=r"plugin 'mine': get_config_schema raised SystemExit: 3"):
        schema_of(provider(exits), "mine")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(["type", "properties", "required", "items", "default", "allOf", "$ref", "enum", "pattern"])


@settings(deadline=None)
@given(st.dictionaries(KEYWORDS, ANY_JSON, max_size=4), st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=3))
def test_garbage_is_applied_or_refused(schema: dict[str, Any], config: dict[str, Any]) -> None:
    """Whatever a plugin says its configuration is, nothing else than PluginLoadError leaves."""
    try:
        filled = config_by_schema("p", schema, config)
    except PluginLoadError:
        return
    assert config.items() <= filled.items() or schema
