"""The three events of an exchange: the one definition, from which the Avro files are made.

An event is a plain ``dict`` at run time (a ``TypedDict`` to the type checker): it is filled once, encoded once and
never passed around, so a class would only cost. The order of fields is the order on the wire: ``event_id`` and
``sequence`` first (they differ between the events of an exchange), then what all three share, then what each adds.

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

    plugin: Annotated[str, "name of the plugin"]
    hook: Annotated[str, "pre_auth, auth, post_auth, response_headers, response_body, …"]
    micros: Annotated[int, "wall time in the hook"]
    decision: Annotated[str, "allow, modify, block, accept, reject, skipped, or failed"]


class Attempt(TypedDict):
    """One upstream call of an exchange."""

    llm_id: Annotated[int | None, "LLM that was called"]
    llm_slug: Annotated[str, "its slug"]
    status: Annotated[int | None, "HTTP status, absent where none came"]
    error_kind: Annotated[str, "unreachable, timeout_<phase>, protocol, unsendable, cancelled, or empty"]
    may_be_billed: Annotated[bool, "whether the vendor may have charged for it"]
    micros: Annotated[int, "wall time of the attempt"]


class Charge(TypedDict):
    """One budget that an exchange is charged to, in the period it had at admission."""

    scope: Annotated[str, "app, llm or app_llm"]
    scope_id: Annotated[str, "id within the scope"]
    period_id: Annotated[str, "local date of its start, e.g. 2026-11-01"]
    period_start: Annotated[Micros, "first instant of the period"]
    period_end: Annotated[Micros, "first instant after it"]


class Identity(TypedDict):
    """What differs between the events of one exchange."""

    event_id: Annotated[str, "<exchange_id>-p, -a or -b: unique for ever"]
    sequence: Annotated[int, "1, 2, 3 … per gateway, worker, boot and event type; given inside the journal append"]


class Common(TypedDict):
    """What all events of one exchange share."""

    exchange_id: Annotated[str, "UUIDv7 made by the gateway"]
    request_id: Annotated[str, "the client's X-Request-ID where well formed, else the exchange id; may repeat"]
    occurred_at: Annotated[Micros, "when the exchange was admitted"]
    completed_at: Annotated[Micros, "when its outcome was known"]
    gateway_id: Annotated[str, "which gateway"]
    worker: Annotated[str, "which worker process of it; reprice jobs put their id here"]
    boot_id: Annotated[str, "which life of that worker"]
    app_id: Annotated[int | None, "the credentialed caller"]
    user_id: Annotated[int | None, "the person behind it"]
    llm_id: Annotated[int | None, "the configured LLM"]
    llm_slug: Annotated[str, "its slug; what the client asked for where there is none"]
    vendor: Annotated[str, "whose LLM"]
    outcome: Annotated[str, "the one terminal outcome; see gateway/outcomes.py"]
    trace_id: Annotated[str, "W3C trace id, 32 hex digits, or empty"]
    labels: Annotated[list[str], "key:value strings, capped"]


class ProxyLogFields(TypedDict):
    """What the proxy log adds."""

    method: Annotated[str, "HTTP method"]
    path: Annotated[str, "path below the LLM, without the query where no app is known"]
    model_name: Annotated[str | None, "model asked for"]
    is_stream: Annotated[bool, "whether the answer was streamed"]
    response_code: Annotated[int | None, "status the client got"]
    upstream_status: Annotated[int | None, "status the vendor gave"]
    request_headers: Annotated[list[str], "name: value lines, credentials masked"]
    response_headers: Annotated[list[str], "name: value lines"]
    request_body: Annotated[bytes | None, "first bytes, cut between characters"]
    request_body_bytes: Annotated[int, "true size"]
    request_body_truncated: Annotated[bool, "whether bytes are missing"]
    request_content_type: Annotated[str, "as the client sent it"]
    response_body: Annotated[bytes | None, "first bytes, cut between characters"]
    response_body_bytes: Annotated[int, "true size"]
    response_body_truncated: Annotated[bool, "whether bytes are missing"]
    response_content_type: Annotated[str, "as the client got it"]
    chunk_count: Annotated[int, "chunks of the response"]
    error_kind: Annotated[str, "stable code of what went wrong, or empty"]
    error_message: Annotated[str, "what went wrong, for people, or empty"]
    remote_addr: Annotated[str, "who connected"]
    total_micros: Annotated[int, "admission to outcome"]
    upstream_micros: Annotated[int | None, "time spent in the upstream call"]
    first_byte_micros: Annotated[int | None, "admission to the vendor's first byte"]
    plugins: Annotated[list[PluginTiming], "what each plugin did, in order"]
    partial: Annotated[bool, "whether the response was not read to its end"]


class AnalyticsFields(TypedDict):
    """What analytics adds."""

    model_name: Annotated[str | None, "model that answered, else the one asked for"]
    prompt_tokens: Annotated[int | None, "all prompt tokens, cached ones included"]
    response_tokens: Annotated[int | None, "all response tokens, reasoning included"]
    cache_write_prompt_tokens: Annotated[int | None, "prompt tokens written to the vendor's cache"]
    cache_read_prompt_tokens: Annotated[int | None, "prompt tokens read from the vendor's cache"]
    reasoning_tokens: Annotated[int | None, "response tokens the client did not see"]
    total_tokens: Annotated[int | None, "prompt and response tokens"]
    raw_usage: Annotated[str | None, "the vendor's own usage object, JSON text"]
    cost_nanos: Annotated[int | None, "cost in 1e-9 currency units; absent where unpriced"]
    currency: Annotated[str, "ISO 4217"]
    price_id: Annotated[str, "row of the price table, or empty"]
    price_version: Annotated[str, "version of the price table, or empty"]
    cost_status: Annotated[str, "exact, estimated, unpriced, or empty where nothing was called"]
    tool_calls: Annotated[int, "tool calls in the answer"]
    choices: Annotated[int, "choices in the answer"]
    response_code: Annotated[int | None, "status the client got"]
    is_stream: Annotated[bool, "whether the answer was streamed"]
    partial: Annotated[bool, "whether the response was not read to its end"]
    total_micros: Annotated[int, "admission to outcome"]
    upstream_micros: Annotated[int | None, "time spent in the upstream call"]
    first_byte_micros: Annotated[int | None, "admission to the vendor's first byte"]
    attempts: Annotated[list[Attempt], "every upstream call, in order"]


class BudgetFields(TypedDict):
    """What a budget event adds."""

    kind: Annotated[str, "usage or correction"]
    corrects: Annotated[str | None, "event id a correction corrects"]
    model_name: Annotated[str | None, "model that answered, else the one asked for"]
    tokens_used: Annotated[int, "prompt and completion tokens"]
    prompt_tokens: Annotated[int, "prompt tokens"]
    completion_tokens: Annotated[int, "response tokens, under the budget event's own name"]
    cost_nanos: Annotated[int, "what is charged; negative only on corrections"]
    currency: Annotated[str, "ISO 4217"]
    price_version: Annotated[str, "version of the price table, or empty"]
    requests_count: Annotated[int, "1; 0 on corrections"]
    reserved_nanos: Annotated[int, "what was held at admission"]
    charges: Annotated[list[Charge], "one for each of app, LLM, app on LLM"]


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
