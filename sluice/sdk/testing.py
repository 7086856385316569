"""For plugin authors' tests: a context without a gateway, and a log that remembers.

ctx = make_context(app_id=7)
plugin = make_plugin(PromptSizeLimit, max_body_bytes=10)
answer = await plugin.handle_post_auth(ctx, make_request(body=b"too large a prompt"))
assert answer.decision == "block"
assert ctx.services.logger.entries[0].event == "prompt refused"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.headers import Headers, HeaderValues
from sluice.sdk.messages import EnrichedRequest, ResponseWriteRequest
from sluice.sdk.plugin import BasePlugin

PluginT = TypeVar("PluginT", bound=BasePlugin[Any])


class LogEntry(NamedTuple):
    """One call of a logger."""

    level: str
    event: str
    values: dict[str, Any]


@dataclass(slots=True)
class RecordingLogger:
    """A logger that keeps what it was told."""

    entries: list[LogEntry] = field(default_factory=list)

    def debug(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``debug``."""
        self.entries.append(LogEntry("debug", event, values))

    def info(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``info``."""
        self.entries.append(LogEntry("info", event, values))

    def warning(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``warning``."""
        self.entries.append(LogEntry("warning", event, values))

    def error(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``error``."""
        self.entries.append(LogEntry("error", event, values))


@dataclass(slots=True)
class RecordingServices:
    """Services that keep what they were asked."""

    logger: RecordingLogger = field(default_factory=RecordingLogger)


class RecordingContext(Context):
    """A context whose services remember."""

    __slots__ = ("_recording",)

    def __init__(self, facts: ExchangeFacts, runtime: Runtime = "gateway") -> None:
        self._recording = RecordingServices()
        super().__init__(facts, self._recording, runtime)

    @property
    def services(self) -> RecordingServices:
        """The services handed to the plugin, to look at afterwards."""
        return self._recording


def make_context(*, runtime: Runtime = "gateway", **facts: Any) -> RecordingContext:
    """A context of an exchange; ``facts`` are those of ``ExchangeFacts``, with sensible ones where not given."""
    defaults = {"request_id": "request-1", "exchange_id": "01900000-0000-7000-8000-000000000001", "llm_id": 1}
    return RecordingContext(ExchangeFacts(**{**defaults, "llm_slug": "demo", "vendor": "openai", **facts}), runtime)


def make_plugin(plugin: type[PluginT], **config: Any) -> PluginT:
    """A plugin with its configuration validated and set, as the host would; ``initialize`` is yours to await."""
    made = plugin()
    model = plugin.config_type
    made.config = config if model is None else model.model_validate(config)
    return made


def make_request(
    body: bytes = b'{"model":"gpt-4o","messages":[]}',
    *,
    method: str = "POST",
    path: str = "/chat/completions",
    query: str = "",
    headers: HeaderValues | None = None,
    app_id: int | None = 1,
    user_id: int | None = None,
) -> EnrichedRequest:
    """A request; good for ``handle_pre_auth`` too."""
    lines = Headers({"content-type": "application/json"} if headers is None else headers)
    return EnrichedRequest(method, path, query, lines, body, "192.0.2.1", app_id, user_id, app_id is not None)


def make_response(
    body: bytes = b"{}", *, status_code: int = 200, headers: HeaderValues | None = None
) -> ResponseWriteRequest:
    """A vendor's answer."""
    lines = Headers({"content-type": "application/json"} if headers is None else headers)
    return ResponseWriteRequest(status_code, lines, body)
