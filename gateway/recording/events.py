"""From an exchange to its events. Which of the three exist is decided here and nowhere else:

proxy log   every exchange that is recorded
analytics   where an app is known, of an LLM: plugins' endpoints have none
budget      where something is charged

Their values go to the encoders as arguments, in the order of ``schemas.events``: see ``schemas.encoder.Encoder``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from gateway.headers import header
from gateway.recording.keeping import Keeping
from schemas.codec import EncodedEvent, encode_analytics, encode_budget, encode_common, encode_proxy_log
from schemas.encoder import SharedList
from schemas.events import Charge, Micros, ProxyLogFields
from sluice.money.periods import Period, period_at
from sluice.money.usage import Usage
from sluice.privacy.bodies import BodyRedactor
from sluice.privacy.settings import RulesSettings
from sluice.redaction import cut_text, header_lines, mask_query, whole_characters
from sluice.usage.counts import BATCH_TIER
from sluice.usage.labels import priced_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm
    from sluice.eventlog.interface import Boot

MAX_MESSAGE_CHARACTERS = 1_024
MAX_PATH_CHARACTERS = 4_096
MAX_HEADER_LINES_BYTES = 32_768
MAX_MODEL_CHARACTERS = 256
MAX_LABEL_CHARACTERS = 256
"""Of one that a plugin caused; those of LLMs are checked where they are written."""
_NO_USAGE = Usage()

_Times = tuple[int, int | None, int | None]
"""``total_micros``, ``upstream_micros`` and ``first_byte_micros``."""


class EventBuilder:
    """Builds and encodes the events of one worker's exchanges."""

    def __init__(self, boot: Boot, max_body_bytes: int, max_event_bytes: int, keeping: Keeping | None = None) -> None:
        """``keeping`` is by default that of a gateway whose settings say nothing."""
        self._boot = boot
        self._keeping = keeping or Keeping("full", BodyRedactor(RulesSettings()), max_body_bytes)
        self._max_body_bytes = max_body_bytes
        self._max_event_bytes = max_event_bytes
        self.redacts = self._keeping.redacts
        """Whether building takes long enough that it should not be done for many at once."""
        self.is_slow = self._keeping.is_slow
        """Whether it takes so long that another thread should do it."""

    def build_all(self, exchanges: Sequence[Exchange]) -> list[list[EncodedEvent]]:
        """The events of each exchange, whose outcome is known; none is larger than its topic takes. In steps, each step
        for all: of the second exchange its code and tables are in the processor's caches."""
        encoded: list[list[EncodedEvent]] = []
        begun: list[tuple[Exchange, _Times, bytes, list[EncodedEvent]]] = []
        for exchange in exchanges:
            events: list[EncodedEvent] = []
            encoded.append(events)
            times = _times(exchange)
            begun.append((exchange, times, self._common(exchange, times[0]), events))
        for exchange, times, head, events in begun:
            tail = self._proxy_log(exchange, times, head)
            events.append(
                EncodedEvent("proxy_log", exchange.exchange_id, exchange.occurred_at, tail, exchange.traceparent)
            )
        for exchange, times, head, events in begun:
            if exchange.app is not None and exchange.llm is not None:
                tail = _analytics(exchange, times, head)
                events.append(
                    EncodedEvent("analytics", exchange.exchange_id, exchange.occurred_at, tail, exchange.traceparent)
                )
        for exchange, _, head, events in begun:
            if exchange.app is not None and exchange.llm is not None and exchange.cost_nanos:
                tail = _budget(exchange, exchange.app, exchange.llm, head)
                events.append(
                    EncodedEvent("budget", exchange.exchange_id, exchange.occurred_at, tail, exchange.traceparent)
                )
        return encoded

    def _common(self, exchange: Exchange, total_micros: int) -> bytes:
        llm, app, boot = exchange.llm, exchange.app, self._boot
        labels = llm.labels if llm else []
        has_more = exchange.user or exchange.upstream_override or exchange.usage_problem or _is_priced_by_more(exchange)
        return encode_common(
            b"",
            exchange.exchange_id,
            exchange.request_id,
            exchange.occurred_at,
            exchange.occurred_at + total_micros,
            boot.gateway_id,
            boot.worker,
            boot.boot_id,
            app.id if app else None,
            exchange.user_id,
            llm.id if llm else None,
            llm.slug if llm else exchange.route.slug[:MAX_MODEL_CHARACTERS],
            llm.vendor if llm else "",
            exchange.outcome or "gateway_error",
            exchange.trace_id,
            self._kept_labels(exchange, labels) if has_more else labels,
        )

    def _kept_labels(self, exchange: Exchange, labels: list[str]) -> list[str]:
        labels = _labels(exchange, labels)
        return self._keeping.labels(labels) if self._policy(exchange) == "redacted" else labels

    def kept_path(self, exchange: Exchange) -> str:
        """What the record of an exchange may say of its path if a kill cuts it: nobody knows its policy by then."""
        return self._keeping.path(self._policy(exchange), exchange.path)

    def _policy(self, exchange: Exchange) -> str:
        """Of whom nobody knows no body is kept."""
        return self._keeping.policy(exchange.app.bodies) if exchange.app is not None else "metadata"

    def _proxy_log(self, exchange: Exchange, times: _Times, head: bytes) -> bytes:
        policy = self._policy(exchange)
        if policy == "full":
            request_body, request_body_truncated = self._kept_request(exchange)
            response_body, response_body_truncated = self._kept_response(exchange)
        else:
            request_body, request_body_truncated = None, bool(exchange.body)
            response_body, response_body_truncated = None, exchange.response_bytes > 0
        total_micros, upstream_micros, first_byte_micros = times
        arguments: tuple[Any, ...] = (
            head,
            exchange.method,
            _path(exchange),
            _short(exchange.model),
            exchange.is_stream,
            exchange.response_code,
            exchange.upstream_status,
            header_lines(exchange.headers, MAX_HEADER_LINES_BYTES),
            header_lines(exchange.response_headers, MAX_HEADER_LINES_BYTES),
            request_body,
            len(exchange.body),
            request_body_truncated,
            _content_type(exchange.values().get(b"content-type")),
            response_body,
            exchange.response_bytes,
            response_body_truncated,
            _content_type(header(exchange.response_headers, b"content-type")),
            exchange.chunk_count,
            exchange.error_kind,
            exchange.error_message[:MAX_MESSAGE_CHARACTERS],
            exchange.remote_addr,
            total_micros,
            upstream_micros,
            first_byte_micros,
            exchange.timings,
            exchange.partial,
        )
        if policy != "full":
            log = _proxy_log_fields(arguments)
            self._keeping.apply(policy, log, exchange)
            arguments = (head, *log.values())
        tail = encode_proxy_log(*arguments)
        excess = len(tail) - self._max_event_bytes
        if excess > 0:
            log = _proxy_log_fields(arguments)
            _cut_further(log, excess)
            tail = encode_proxy_log(head, *log.values())
        return tail

    def _kept_request(self, exchange: Exchange) -> tuple[bytes | None, bool]:
        if len(exchange.body) <= self._max_body_bytes:
            return exchange.body, False
        return cut_text(exchange.body, self._max_body_bytes)

    def _kept_response(self, exchange: Exchange) -> tuple[bytes | None, bool]:
        parts = exchange.response_copy
        kept = parts[0] if len(parts) == 1 else b"".join(parts)
        if exchange.response_bytes <= self._max_body_bytes:
            return kept, False
        return whole_characters(cut_text(kept, self._max_body_bytes)[0]), True  # the copy ends anywhere


def _times(exchange: Exchange) -> _Times:
    total_micros = exchange.total_micros
    return (
        # until its outcome was known, whenever that is encoded
        exchange.elapsed_micros() if total_micros is None else total_micros,
        # to the answer's end, or to the terminal event of a stream
        _micros(exchange.upstream_started_ns, exchange.upstream_ended_ns or exchange.terminal_ns),
        _micros(exchange.started_ns, exchange.first_byte_ns),
    )


def _proxy_log_fields(arguments: tuple[Any, ...]) -> ProxyLogFields:
    """What the encoder gets behind the head, by its names: for the few logs of which something is taken."""
    return cast("ProxyLogFields", dict(zip(ProxyLogFields.__annotations__, arguments[1:], strict=True)))


def _cut_further(proxy_log: ProxyLogFields, excess: int) -> None:
    """Make a proxy log fit its topic: bodies are cut by what is too much, those flagged, their true size kept."""
    response, request = proxy_log["response_body"] or b"", proxy_log["request_body"] or b""
    keep_response = max(0, len(response) - excess)
    keep_request = max(0, len(request) - max(0, excess - len(response)))
    if keep_response < len(response):
        proxy_log["response_body"], proxy_log["response_body_truncated"] = cut_text(response, keep_response)
    if keep_request < len(request):
        proxy_log["request_body"], proxy_log["request_body_truncated"] = cut_text(request, keep_request)


def _analytics(exchange: Exchange, times: _Times, head: bytes) -> bytes:
    usage, price = exchange.usage or _NO_USAGE, exchange.price
    total_micros, upstream_micros, first_byte_micros = times
    return encode_analytics(
        head,
        _short(exchange.response_model or exchange.model),
        usage.prompt_tokens,
        usage.response_tokens,
        usage.cache_write_prompt_tokens,
        usage.cache_read_prompt_tokens,
        usage.reasoning_tokens,
        _total_tokens(usage) if exchange.usage else None,
        exchange.raw_usage,
        exchange.cost_nanos,
        price.currency if price else "USD",
        price.id if price else "",
        price.version if price else "",
        exchange.cost_status,
        exchange.tool_calls,
        exchange.choices,
        exchange.response_code,
        exchange.is_stream,
        exchange.partial,
        total_micros,
        upstream_micros,
        first_byte_micros,
        exchange.attempts,
    )


def _budget(exchange: Exchange, app: App, llm: Llm, head: bytes) -> bytes:
    """Charged to the LLM that was asked, whoever answered: whose budgets were reserved."""
    usage, price = exchange.usage or _NO_USAGE, exchange.price
    corrects, requests_count = None, 1
    return encode_budget(
        head,
        "usage",
        corrects,
        _short(exchange.response_model or exchange.model),
        _total_tokens(usage),
        usage.prompt_tokens or 0,
        usage.response_tokens or 0,
        exchange.cost_nanos or 0,
        price.currency if price else "USD",
        price.version if price else "",
        requests_count,
        exchange.reserved_nanos,
        charges(
            app.id,
            llm.id,
            exchange.occurred_at,
            app_reset_day=app.budget_reset_day,
            llm_reset_day=llm.budget_reset_day,
            time_zone=app.time_zone,
        ),
    )


def _total_tokens(usage: Usage) -> int:
    return (usage.prompt_tokens or 0) + (usage.response_tokens or 0)


def charges(
    app_id: int,
    llm_id: int,
    occurred_at: int,
    *,
    app_reset_day: int = 1,
    llm_reset_day: int = 1,
    time_zone: str = "UTC",
) -> list[Charge]:
    """What an exchange is charged to, each in the period of its admission: the app and the app on the LLM in the app's,
    the LLM in its own, in UTC. Whether there is a budget or not."""
    key = (app_id, llm_id, app_reset_day, llm_reset_day, time_zone)
    start, end, found = _remembered.get(key, _NOT_YET)
    if not start <= occurred_at < end:
        app_period = period_at(occurred_at, app_reset_day, time_zone)
        llm_period = period_at(occurred_at, llm_reset_day, "UTC")
        start, end = max(app_period.start, llm_period.start), min(app_period.end, llm_period.end)
        found = _charges(app_id, llm_id, app_period, llm_period)
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        _remembered[key] = start, end, found
    return found


_remembered: dict[tuple[int, int, int, int, str], tuple[int, int, list[Charge]]] = {}
"""The charges of an app on an LLM, from when and before when they are these."""
_MAX_REMEMBERED = 4096
_NOT_YET: tuple[int, int, list[Charge]] = (0, 0, [])


def _charges(app_id: int, llm_id: int, app_period: Period, llm_period: Period) -> list[Charge]:
    scopes = (
        ("app", str(app_id), app_period),
        ("llm", str(llm_id), llm_period),
        ("app_llm", f"{app_id}:{llm_id}", app_period),
    )
    return SharedList([
        {
            "scope": scope,
            "scope_id": scope_id,
            "period_id": period.id,
            "period_start": Micros(period.start),
            "period_end": Micros(period.end),
        }
        for scope, scope_id, period in scopes
    ])  # fmt: skip


def _labels(exchange: Exchange, labels: list[str]) -> list[str]:
    """The LLM's, and what its plugins decided that no field says."""
    labels = list(labels)
    if exchange.user and exchange.user_id is None:
        labels.append(f"user:{exchange.user}"[:MAX_LABEL_CHARACTERS])
    if exchange.upstream_override:
        host = urlsplit(exchange.upstream_override).netloc.rpartition("@")[2]
        labels.append(f"upstream:{host}"[:MAX_LABEL_CHARACTERS])
    if exchange.usage_problem:
        labels.append(f"usage:{exchange.usage_problem}"[:MAX_LABEL_CHARACTERS])
    labels += _priced_labels(exchange)
    return labels


def _is_priced_by_more(exchange: Exchange) -> bool:
    """Whether it has its price by something that no field of an event says."""
    answered, usage = exchange.response_model, exchange.usage
    return (
        (answered is not None and answered != exchange.model)
        or exchange.is_batch
        or exchange.served_by is not None
        or (usage is not None and bool(usage.tool_requests))
    )


def _priced_labels(exchange: Exchange) -> list[str]:
    """What a job needs that prices its event again; nearly always its model at most."""
    answered, named = exchange.response_model, exchange.priced_model or exchange.model
    served, usage = exchange.served_by, exchange.usage
    return priced_labels(
        None if answered is None or answered == named else named,
        None if served is None else served.vendor,
        None if usage is None else usage.tool_requests,
        "" if not exchange.is_batch else BATCH_TIER if exchange.is_batch_tier else "batch",
        MAX_LABEL_CHARACTERS,
    )


def _path(exchange: Exchange) -> str:
    """The path the client asked for; its query only where an app is known, without credentials."""
    path = exchange.path[:MAX_PATH_CHARACTERS]
    if exchange.app is None or not exchange.query:
        return path
    return f"{path}?{mask_query(exchange.query.decode('latin-1'))}"[:MAX_PATH_CHARACTERS]


def _content_type(value: bytes | None) -> str:
    return value.decode("latin-1")[:MAX_MODEL_CHARACTERS] if value is not None else ""


def _short(model: str | None) -> str | None:
    return model and model[:MAX_MODEL_CHARACTERS]


def _micros(start_ns: int, end_ns: int) -> int | None:
    return (end_ns - start_ns) // 1000 if start_ns and end_ns else None
