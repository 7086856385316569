"""Every span and every attribute that a gateway may send, with its meaning: what is not here is not sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple


class SpanEntry(NamedTuple):
    """A kind of span."""

    key: str
    name: str
    """As it is sent; in braces what differs from one to another."""
    kind: str
    parent: str
    meaning: str


class AttributeEntry(NamedTuple):
    """An attribute, and the kinds of spans that have it."""

    name: str
    type: str
    spans: tuple[str, ...]
    meaning: str


SPANS: Final = (
    SpanEntry(
        "exchange",
        "{operation} {model}",
        "server",
        "the client's",
        "One exchange, from its head to its last byte; `{method} {route}` where no vendor was called.",
    ),
    SpanEntry("accept", "accept", "internal", "exchange", "The request's head and body were read."),
    SpanEntry("hook", "{hook}", "internal", "exchange, or respond", "The plugins of one hook, in their order."),
    SpanEntry(
        "plugin",
        "{hook} {plugin}",
        "internal",
        "hook",
        "One plugin in one hook; on a stream it begins with its first piece and lasts as long as all of them together.",
    ),
    SpanEntry(
        "admit", "admit", "internal", "exchange", "Budgets and limits were asked; only where that took a millisecond."
    ),
    SpanEntry(
        "upstream", "upstream {llm}", "client", "exchange", "One attempt at a vendor, until the head of its answer."
    ),
    SpanEntry(
        "respond", "respond", "internal", "exchange", "The vendor's answer went to the client, all but its last byte."
    ),
    SpanEntry("record", "record", "internal", "exchange", "The events were made durable, and the last byte went out."),
)

_EXCHANGE, _PLUGIN, _UPSTREAM = ("exchange",), ("plugin",), ("upstream",)
_BOTH = ("exchange", "upstream")

ATTRIBUTES: Final = (
    AttributeEntry(
        "gen_ai.operation.name",
        "text",
        _EXCHANGE,
        "What was asked for, by its path: `chat`, `text_completion`, `embeddings`, or `llm` where it is none of these.",
    ),
    AttributeEntry("gen_ai.provider.name", "text", _BOTH, "Whose LLM, in OpenTelemetry's words."),
    AttributeEntry("gen_ai.system", "text", _BOTH, "The same under its older name."),
    AttributeEntry("gen_ai.request.model", "text", _EXCHANGE, "The model that was asked for."),
    AttributeEntry(
        "gen_ai.request.max_tokens", "number", _EXCHANGE, "How many tokens the request allows, where it says so."
    ),
    AttributeEntry("gen_ai.response.model", "text", _EXCHANGE, "The model that answered, as the vendor says."),
    AttributeEntry(
        "gen_ai.response.finish_reasons", "texts", _EXCHANGE, "Why the answer ended, where its end was kept."
    ),
    AttributeEntry(
        "gen_ai.usage.input_tokens",
        "number",
        _EXCHANGE,
        "Tokens of the prompt, counted or estimated (`sluice.cost.status`).",
    ),
    AttributeEntry("gen_ai.usage.output_tokens", "number", _EXCHANGE, "Tokens of the answer, likewise."),
    AttributeEntry(
        "gen_ai.usage.cache_read.input_tokens",
        "number",
        _EXCHANGE,
        "Those of the prompt that came from the vendor's cache.",
    ),
    AttributeEntry("http.request.method", "text", _EXCHANGE, "The client's; `_OTHER` where it is none of HTTP's own."),
    AttributeEntry("http.route", "text", _EXCHANGE, "The route, without what clients put in it."),
    AttributeEntry(
        "http.response.status_code", "number", _BOTH, "Of the answer to the client; of an attempt, the vendor's."
    ),
    AttributeEntry("http.request.body.size", "number", _EXCHANGE, "Bytes of the request's body."),
    AttributeEntry("http.response.body.size", "number", _EXCHANGE, "Bytes of the answer's body that the client got."),
    AttributeEntry("http.request.resend_count", "number", _UPSTREAM, "How many attempts there were before this one."),
    AttributeEntry("error.type", "text", _BOTH, "The stable code of what went wrong; else absent."),
    AttributeEntry(
        "sluice.exchange_id", "text", _EXCHANGE, "The id under which its events and the gateway's log have it."
    ),
    AttributeEntry("sluice.request_id", "text", _EXCHANGE, "The client's own id, or the exchange id."),
    AttributeEntry("sluice.outcome", "text", _EXCHANGE, "The one terminal outcome."),
    AttributeEntry("sluice.app.id", "number", _EXCHANGE, "The app, where it is known."),
    AttributeEntry("sluice.llm.id", "number", _BOTH, "The LLM that was asked; of an attempt, the one it was made at."),
    AttributeEntry("sluice.llm.slug", "text", _BOTH, "Its slug."),
    AttributeEntry(
        "sluice.served_by", "text", _EXCHANGE, "The slug of the LLM that was asked instead, where it failed over."
    ),
    AttributeEntry("sluice.is_stream", "yes or no", _EXCHANGE, "Whether the answer was asked for as a stream."),
    AttributeEntry("sluice.partial", "yes or no", _EXCHANGE, "Whether the answer ended before its end."),
    AttributeEntry(
        "sluice.cost.nanos", "number", _EXCHANGE, "What it cost, in 1e-9 currency units, where it is known."
    ),
    AttributeEntry("sluice.cost.status", "text", _EXCHANGE, "How sure that is: `exact`, `estimated`, `unpriced`."),
    AttributeEntry(
        "sluice.first_byte.micros",
        "number",
        _EXCHANGE,
        "From the request's head to the vendor's first byte, in microseconds.",
    ),
    AttributeEntry(
        "sluice.spans_dropped",
        "number",
        _EXCHANGE,
        "Spans of plugins and attempts that are not sent: there were too many.",
    ),
    AttributeEntry(
        "sluice.may_be_billed", "yes or no", _UPSTREAM, "Whether the vendor may have charged for the attempt."
    ),
    AttributeEntry("sluice.plugin", "text", _PLUGIN, "The plugin's name."),
    AttributeEntry(
        "sluice.decision", "text", _PLUGIN, "What it decided: allow, modify, block, accept, reject, skipped, or failed."
    ),
)


RESOURCE: Final = (
    AttributeEntry("service.name", "text", (), "`tracing.service_name`."),
    AttributeEntry("service.namespace", "text", (), "`gateway.namespace`, where it has one."),
    AttributeEntry("service.instance.id", "text", (), "`<gateway.id>/<worker>`."),
    AttributeEntry("sluice.boot_id", "text", (), "One life of one worker; events have it too."),
)
"""What all spans of a worker have in common."""


def table() -> Iterator[str]:
    """Both as Markdown, for the README."""
    yield "| span | kind | below | what it is |"
    yield "|---|---|---|---|"
    for span in SPANS:
        yield f"| `{span.name}` | {span.kind} | {span.parent} | {span.meaning} |"
    yield ""
    yield "| attribute | type | of | what it says |"
    yield "|---|---|---|---|"
    for each in ATTRIBUTES:
        yield f"| `{each.name}` | {each.type} | {', '.join(each.spans)} | {each.meaning} |"
    yield ""
    yield "| resource | type | what it says |"
    yield "|---|---|---|"
    for each in RESOURCE:
        yield f"| `{each.name}` | {each.type} | {each.meaning} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
