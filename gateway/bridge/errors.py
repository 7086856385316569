"""Refusals of the bridge: in OpenAI's dialect, with the member that is to blame."""

from __future__ import annotations

from typing import Final

import orjson

from gateway.bridge.frames import error_object
from gateway.bridge.interface import OpenAiError, Unsupported
from gateway.outcomes import Outcome, Refusal, RequestInvalid

OPERATIONS: Final = "/v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models"


def unsupported(error: Unsupported) -> RequestInvalid:
    """What cannot be translated, to the client."""
    refusal = RequestInvalid(error.message, error.code)
    told = error_object(OpenAiError(error.message, "invalid_request_error", error.code, error.param or None))
    body = {"error": told, "status": refusal.status, "message": told["message"], "code": error.code}
    refusal.body = orjson.dumps(body)  # as of all refusals, with the member beside it
    return refusal


class PathUnknown(Refusal):
    """The bridge has nothing at this path."""

    status = 404
    outcome: Outcome = "request_invalid"

    def __init__(self, path: str) -> None:
        message = f"the bridge has no {path[:200]!r}; below /ai/<slug> there are {OPERATIONS} (and /v1/models/<model>)"
        super().__init__(message, "path_unknown")


class MethodWrong(Refusal):
    """The path is there, but not for this method."""

    status = 405
    outcome: Outcome = "request_invalid"

    def __init__(self, method: str, path: str, allowed: str) -> None:
        message = f"{path} takes {allowed}, not {method[:32]}"
        super().__init__(message, "method_not_allowed", ((b"allow", allowed.encode()),))


class ModelUnknown(Refusal):
    """A model that was looked up is none that this LLM gives."""

    status = 404
    outcome: Outcome = "request_invalid"

    def __init__(self, model: str, slug: str) -> None:
        super().__init__(f"LLM {slug!r} has no model {model[:200]!r}; /v1/models lists what it has", "model_not_found")


class AnswerUnreadable(Refusal):
    """The vendor answered, but with what no translator can make an answer of."""

    status = 502
    outcome: Outcome = "upstream_error"

    def __init__(self, vendor: str, reason: str) -> None:
        super().__init__(f"the answer of {vendor} cannot be translated: {reason}", "answer_unreadable")
