"""The three events of an exchange: the one definition, from which the Avro files are made.

An event is a plain ``dict`` at run time (a ``TypedDict`` to the type checker): it is filled once, encoded once and
never passed around, so a class would only cost. The gateway does without the dict too: it gives the values to the
encoders by their places (``schemas.encoder.Encoder``). The order of fields is the order on the wire: ``event_id`` and
``sequence`` first (they differ between the events of an exchange), then what all three share, then what each adds.

Each field says its type, what it means, and where it comes from: the ``gateway`` (made or measured by it), the
``client``'s request, the ``vendor``'s answer, the ``settings`` of its app or LLM, the ``prices``, a ``plugin``, or the
``journal``.

Absent is ``None``, zero is a value. Times are microseconds since the epoch, UTC. Money is nanos: 1e-9 currency units.
"""

from typing import Annotated, Literal, NewType, TypedDict

Micros = NewType("Micros", int)
"""Microseconds since the Unix epoch; Avro's ``timestamp-micros``."""

Kind = Literal["proxy_log", "analytics", "budget"]
KINDS: tuple[Kind, ...] = ("proxy_log", "analytics", "budget")

SUFFIXES: dict[Kind, str] = {"proxy_log": "-p", "analytics": "-a", "budget": "-b"}
"""What is put behind an exchange id to make an event id."""


class PluginTiming(TypedDict):
    """What one plugin did in one hook."""

    plugin: Annotated[str, "name of the plugin", "settings"]
    hook: Annotated[str, "pre_auth, auth, post_auth, response_headers, response_body, …", "gateway"]
    micros: Annotated[int, "wall time in the hook", "gateway"]
    decision: Annotated[str, "allow, modify, block, accept, reject, skipped, or failed", "plugin"]


class Attempt(TypedDict):
    """One upstream call of an exchange."""

    llm_id: Annotated[int | None, "LLM that was called", "settings"]
    llm_slug: Annotated[str, "its slug", "settings"]
    status: Annotated[int | None, "HTTP status, absent where none came", "vendor"]
    error_kind: Annotated[str, "unreachable, timeout_<phase>, protocol, unsendable, cancelled, or empty", "gateway"]
    may_be_billed: Annotated[bool, "whether the vendor may have charged for it", "gateway"]
    micros: Annotated[int, "wall time of the attempt", "gateway"]


class Charge(TypedDict):
    """One budget that an exchange is charged to, in the period it had at admission."""

    scope: Annotated[str, "app, llm or app_llm", "gateway"]
    scope_id: Annotated[str, "id within the scope", "settings"]
    period_id: Annotated[str, "local date of its start, e.g. 2026-11-01", "gateway"]
    period_start: Annotated[Micros, "first instant of the period", "gateway"]
    period_end: Annotated[Micros, "first instant after it", "gateway"]


class Identity(TypedDict):
    """What differs between the events of one exchange."""

    event_id: Annotated[str, "<exchange_id>-p, -a or -b: unique for ever", "gateway"]
    sequence: Annotated[
        int, "1, 2, 3 … per gateway, worker, boot and event type; given inside the journal append", "journal"
    ]


class Common(TypedDict):
    """What all events of one exchange share."""

    exchange_id: Annotated[str, "UUIDv7 made by the gateway", "gateway"]
    request_id: Annotated[
        str, "the client's X-Request-ID where well formed, else the exchange id; may repeat", "client"
    ]
    occurred_at: Annotated[Micros, "when the exchange was admitted", "gateway"]
    completed_at: Annotated[Micros, "when its outcome was known", "gateway"]
    gateway_id: Annotated[str, "which gateway", "settings"]
    worker: Annotated[str, "which worker process of it; reprice jobs put their id here", "gateway"]
    boot_id: Annotated[str, "which life of that worker", "gateway"]
    app_id: Annotated[int | None, "the credentialed caller", "settings"]
    user_id: Annotated[int | None, "the person behind it", "settings"]
    llm_id: Annotated[int | None, "the configured LLM", "settings"]
    llm_slug: Annotated[str, "its slug; what the client asked for where there is none", "settings"]
    vendor: Annotated[str, "whose LLM", "settings"]
    outcome: Annotated[str, "the one terminal outcome; see gateway/outcomes.py", "gateway"]
    trace_id: Annotated[str, "W3C trace id, 32 hex digits, or empty", "client"]
    labels: Annotated[list[str], "key:value strings, capped", "settings"]


class ProxyLogFields(TypedDict):
    """What the proxy log adds."""

    method: Annotated[str, "HTTP method", "client"]
    path: Annotated[str, "path below the LLM, without the query where no app is known", "client"]
    model_name: Annotated[str | None, "model asked for", "client"]
    is_stream: Annotated[bool, "whether the answer was streamed", "vendor"]
    response_code: Annotated[int | None, "status the client got", "gateway"]
    upstream_status: Annotated[int | None, "status the vendor gave", "vendor"]
    request_headers: Annotated[list[str], "name: value lines, credentials masked", "client"]
    response_headers: Annotated[list[str], "name: value lines", "vendor"]
    request_body: Annotated[bytes | None, "first bytes, cut between characters", "client"]
    request_body_bytes: Annotated[int, "true size", "client"]
    request_body_truncated: Annotated[bool, "whether bytes are missing", "gateway"]
    request_content_type: Annotated[str, "as the client sent it", "client"]
    response_body: Annotated[bytes | None, "first bytes, cut between characters", "vendor"]
    response_body_bytes: Annotated[int, "true size", "vendor"]
    response_body_truncated: Annotated[bool, "whether bytes are missing", "gateway"]
    response_content_type: Annotated[str, "as the client got it", "vendor"]
    chunk_count: Annotated[int, "chunks of the response", "vendor"]
    error_kind: Annotated[str, "stable code of what went wrong, or empty", "gateway"]
    error_message: Annotated[str, "what went wrong, for people, or empty", "gateway"]
    remote_addr: Annotated[str, "who connected", "client"]
    total_micros: Annotated[int, "admission to outcome", "gateway"]
    upstream_micros: Annotated[int | None, "time spent in the upstream call", "gateway"]
    first_byte_micros: Annotated[int | None, "admission to the vendor's first byte", "gateway"]
    plugins: Annotated[list[PluginTiming], "what each plugin did, in order", "gateway"]
    partial: Annotated[bool, "whether the response was not read to its end", "gateway"]


class AnalyticsFields(TypedDict):
    """What analytics adds."""

    model_name: Annotated[str | None, "model that answered, else the one asked for", "vendor"]
    prompt_tokens: Annotated[int | None, "all prompt tokens, cached ones included", "vendor"]
    response_tokens: Annotated[int | None, "all response tokens, reasoning included", "vendor"]
    cache_write_prompt_tokens: Annotated[int | None, "prompt tokens written to the vendor's cache", "vendor"]
    cache_read_prompt_tokens: Annotated[int | None, "prompt tokens read from the vendor's cache", "vendor"]
    reasoning_tokens: Annotated[int | None, "response tokens the client did not see", "vendor"]
    total_tokens: Annotated[int | None, "prompt and response tokens", "vendor"]
    raw_usage: Annotated[str | None, "the vendor's own usage object, JSON text", "vendor"]
    cost_nanos: Annotated[int | None, "cost in 1e-9 currency units; absent where unpriced", "prices"]
    currency: Annotated[str, "ISO 4217", "prices"]
    price_id: Annotated[str, "row of the price table, or empty", "prices"]
    price_version: Annotated[str, "version of the price table, or empty", "prices"]
    cost_status: Annotated[str, "exact, estimated, unpriced, or empty where nothing was called", "gateway"]
    tool_calls: Annotated[int, "tool calls in the answer", "vendor"]
    choices: Annotated[int, "choices in the answer", "vendor"]
    response_code: Annotated[int | None, "status the client got", "gateway"]
    is_stream: Annotated[bool, "whether the answer was streamed", "vendor"]
    partial: Annotated[bool, "whether the response was not read to its end", "gateway"]
    total_micros: Annotated[int, "admission to outcome", "gateway"]
    upstream_micros: Annotated[int | None, "time spent in the upstream call", "gateway"]
    first_byte_micros: Annotated[int | None, "admission to the vendor's first byte", "gateway"]
    attempts: Annotated[list[Attempt], "every upstream call, in order", "gateway"]


class BudgetFields(TypedDict):
    """What a budget event adds."""

    kind: Annotated[str, "usage or correction", "gateway"]
    corrects: Annotated[str | None, "event id a correction corrects", "gateway"]
    model_name: Annotated[str | None, "model that answered, else the one asked for", "vendor"]
    tokens_used: Annotated[int, "prompt and completion tokens", "vendor"]
    prompt_tokens: Annotated[int, "prompt tokens", "vendor"]
    completion_tokens: Annotated[int, "response tokens, under the budget event's own name", "vendor"]
    cost_nanos: Annotated[int, "what is charged; negative only on corrections", "prices"]
    currency: Annotated[str, "ISO 4217", "prices"]
    price_version: Annotated[str, "version of the price table, or empty", "prices"]
    requests_count: Annotated[int, "1; 0 on corrections", "gateway"]
    reserved_nanos: Annotated[int, "what was held at admission", "gateway"]
    charges: Annotated[list[Charge], "one for each of app, LLM, app on LLM", "gateway"]


class ProxyLog(Identity, Common, ProxyLogFields):
    """What went over the wire: headers, bodies, timings, plugins."""


class Analytics(Identity, Common, AnalyticsFields):
    """What it was worth: tokens, cost, latencies, attempts."""


class BudgetUsage(Identity, Common, BudgetFields):
    """What is charged to whom, in which period."""


EVENT_TYPES: dict[Kind, type] = {"proxy_log": ProxyLog, "analytics": Analytics, "budget": BudgetUsage}
FIELD_TYPES: dict[Kind, type] = {"proxy_log": ProxyLogFields, "analytics": AnalyticsFields, "budget": BudgetFields}


def event_id(exchange_id: str, kind: Kind) -> str:
    """The id of an exchange's event of ``kind``."""
    return exchange_id + SUFFIXES[kind]
