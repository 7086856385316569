"""Refusals of the bridge are OpenAI's."""

from __future__ import annotations

import json

from gateway.bridge.errors import AnswerUnreadable, MethodWrong, ModelUnknown, PathUnknown, unsupported
from gateway.bridge.interface import Invalid, Unsupported


def test_what_cannot_be_translated_is_named() -> None:
    """Code, member, message; a fault of the whole body names no member."""
    refusal = unsupported(Unsupported("messages.2.content.0.type", "anthropic has no audio"))
    assert (refusal.status, refusal.outcome, refusal.code) == (400, "request_invalid", "unsupported_parameter")
    assert json.loads(refusal.body or b"")["error"] == {
        "message": "anthropic has no audio",
        "type": "invalid_request_error",
        "param": "messages.2.content.0.type",
        "code": "unsupported_parameter",
    }
    error = json.loads(unsupported(Invalid("", "no JSON")).body or b"")["error"]
    assert (error["param"], error["code"]) == (None, "invalid_value")


def test_every_refusal_says_what_to_do() -> None:
    """And is bounded, whatever the client wrote."""
    path = PathUnknown("/v1/" + "x" * 10_000)
    assert (path.status, path.outcome, len(path.message) < 500) == (404, "request_invalid", True)
    assert "/v1/chat/completions" in path.message
    method = MethodWrong("GET", "/v1/embeddings", "POST")
    assert (method.status, method.headers) == (405, ((b"allow", b"POST"),))
    model = ModelUnknown("x" * 10_000, "claude")
    assert (model.status, model.code, len(model.message) < 500) == (404, "model_not_found", True)
    answer = AnswerUnreadable("anthropic", "it is not JSON")
    assert (answer.status, answer.outcome) == (502, "upstream_error")
