"""A call: who it is in the audit, and how bodies are written."""

from __future__ import annotations

import json

import pytest
from fastapi import Request

from gateway.control.api.call import Call, to_json
from gateway.control.api.problems import Problem
from gateway.control.api.services import Identity
from tests.gateway.control.api.harness import Api

REQUEST = Request(
    {"type": "http", "method": "GET", "path": "/", "headers": [(b"if-match", b'"3"')], "query_string": b""}
)


def call(api: Api, name: str) -> Call:
    """Of a token with this name."""
    identity = Identity(token_id=7, app_id=1, name=name, prefix="slc_abcd", scopes=("*",))
    return Call(api.services, "app.read", identity, REQUEST)


async def test_an_actor_is_a_token_by_name_and_prefix(api: Api) -> None:
    """Which is how the audit says it; one without a name by its prefix."""
    assert (call(api, "ops").actor.name, call(api, "ops").actor.token_id) == ("ops (slc_abcd)", 7)
    assert call(api, "").actor.name == "token slc_abcd"
    assert call(api, "").if_version == 3


async def test_a_public_call_is_nobody_s(api: Api) -> None:
    """It cannot change anything by mistake."""
    with pytest.raises(Problem) as refused:
        _ = Call(api.services, "x", None, REQUEST).actor
    assert refused.value.status == 401


@pytest.mark.parametrize("value", [{"n": 2**80}, {"s": "ü\u2028\x00"}, {"s": "\ud800"}, [1.5, None, True]])
def test_any_answer_can_be_written(value: object) -> None:
    """Integers of any size, and text that is no Unicode."""
    assert json.loads(to_json(value)) == value
