"""The one terminal outcome of an exchange, and the refusals that end it early.

Refusal
├── RequestInvalid      400  request_invalid
├── RequestTooLarge     413  request_too_large
├── LlmUnknown          404  llm_unknown
├── AuthFailed          401  auth_failed (no credential that proves an app, by its token or to an ``auth`` plugin)
├── AccessDenied        403  access_denied
├── ModelDenied         403  model_denied
├── BudgetExceeded      403  budget_exceeded
├── RateLimited         429  rate_limited
├── Overloaded          503  overloaded
├── EventLogUnavailable 503  eventlog_unavailable
├── UpstreamFailed      502  upstream_unreachable, upstream_error · 504 upstream_timeout
├── PluginBroke         502  plugin_failed
├── ResponseRefused     502  upstream_error (an answer we cannot pass on)
└── Blocked             the plugin's status: blocked_pre_auth, auth_failed, blocked_post_auth, response_blocked,
                        answered_by_plugin
"""

from __future__ import annotations

from typing import Literal

Outcome = Literal[
    "ok",
    "request_invalid",
    "request_too_large",
    "llm_unknown",
    "auth_failed",
    "access_denied",
    "blocked_pre_auth",
    "blocked_post_auth",
    "plugin_failed",
    "model_denied",
    "rate_limited",
    "budget_exceeded",
    "answered_by_plugin",
    "upstream_error",
    "upstream_unreachable",
    "upstream_timeout",
    "response_blocked",
    "client_closed",
    "overloaded",
    "eventlog_unavailable",
    "gateway_error",
    "interrupted",
]


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """Ends the exchange with an answer of ours; knows its outcome, status, stable code and headers."""

    status = 500
    outcome: Outcome = "gateway_error"
    close = False
    """Whether the connection cannot be used again (the request was not read to its end)."""

    def __init__(self, message: str, code: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.outcome
        self.headers = headers
        self.body: bytes | None = None
        self.detail = ""
        """What the event says instead of the message that the client gets, where they differ."""


class RequestInvalid(Refusal):
    """The request cannot be understood."""

    status = 400
    outcome: Outcome = "request_invalid"


class RequestTooLarge(Refusal):
    """The body passes ``gateway.max_request_bytes``; it was not read to its end."""

    status = 413
    outcome: Outcome = "request_too_large"
    close = True


class LlmUnknown(Refusal):
    """No LLM has this slug."""

    status = 404
    outcome: Outcome = "llm_unknown"


class AuthFailed(Refusal):
    """No credential, or one that proves nothing."""

    status = 401
    outcome: Outcome = "auth_failed"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code, ((b"www-authenticate", b'Bearer realm="sluice"'),))


class AccessDenied(Refusal):
    """The app is known but not linked to this LLM."""

    status = 403
    outcome: Outcome = "access_denied"


class ModelDenied(Refusal):
    """The model is not on the LLM's allow-list."""

    status = 403
    outcome: Outcome = "model_denied"


class BudgetExceeded(Refusal):
    """What the exchange may cost does not fit a budget of its app or LLM."""

    status = 403
    outcome: Outcome = "budget_exceeded"


class RateLimited(Refusal):
    """The exchange passes a limit of its app or LLM: requests or tokens a minute, or concurrent exchanges.

    ``reset_seconds`` is when all of the limit is free again, ``retry_after_seconds`` when this exchange would fit.
    """

    status = 429
    outcome: Outcome = "rate_limited"

    def __init__(
        self, message: str, *, limit: int, remaining: int, reset_seconds: int, retry_after_seconds: int
    ) -> None:
        super().__init__(
            message,
            headers=(
                (b"retry-after", b"%d" % retry_after_seconds),
                (b"x-ratelimit-limit", b"%d" % limit),
                (b"x-ratelimit-remaining", b"%d" % remaining),
                (b"x-ratelimit-reset", b"%d" % reset_seconds),
            ),
        )


class Overloaded(Refusal):
    """More exchanges in flight than ``gateway.max_in_flight``."""

    status = 503
    outcome: Outcome = "overloaded"
    close = True

    def __init__(self, message: str) -> None:
        super().__init__(message, headers=((b"retry-after", b"1"),))


class EventLogUnavailable(Refusal):
    """No room in the event log for what this exchange would leave; the vendor was not called."""

    status = 503
    outcome: Outcome = "eventlog_unavailable"
    close = True

    def __init__(self, message: str) -> None:
        super().__init__(message, headers=((b"retry-after", b"5"),))


class UpstreamFailed(Refusal):
    """The vendor's server gave no answer that could be passed on."""

    def __init__(self, status: int, outcome: Outcome, message: str) -> None:
        self.status = status
        self.outcome = outcome
        super().__init__(message)


class ResponseRefused(Refusal):
    """The vendor answered, but with what its plugins cannot read: too much, or a stream where one refuses those."""

    status = 502
    outcome: Outcome = "upstream_error"


class PluginBroke(Refusal):
    """A plugin whose failure closes the exchange failed. ``reason`` is for operators: it is in the event alone."""

    status = 502
    outcome: Outcome = "plugin_failed"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.detail = f"{message}: {reason}"


class Blocked(Refusal):
    """A plugin answered instead of the vendor, or refused its answer."""

    def __init__(
        self, status: int, outcome: Outcome, message: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes | None
    ) -> None:
        self.status = status
        self.outcome = outcome if status >= 400 else "answered_by_plugin"
        super().__init__(message, code=self.outcome, headers=headers)
        self.body = body


class ClientGone(Exception):  # noqa: N818 - not an error of ours
    """The client left before its answer; what the vendor still sends has been drained within the bound."""
