"""A context on the wire."""

from __future__ import annotations

from sluice.plugin_wire.plugin_pb2 import PluginContext
from sluice.sdk.context import Context, ExchangeFacts
from sluice.sdk.wire.values import i64, put_texts, text, u32


def context_to_wire(ctx: Context) -> PluginContext:
    """For every message that has a context; ``edge_id`` and ``edge_namespace`` are keys of its metadata there."""
    message = PluginContext()
    put_context(message, ctx)
    return message


def put_context(message: PluginContext, ctx: Context) -> None:
    """As ``context_to_wire``, into a context that is part of a message.

    Field by field, and key by key: a constructor takes twice as long.
    """
    message.request_id = text(ctx.request_id)
    message.exchange_id = ctx.exchange_id
    message.vendor = ctx.vendor
    message.llm_id = u32(ctx.llm_id)
    message.llm_slug = text(ctx.llm_slug)
    message.app_id = u32(ctx.app_id)
    put_user_id(message, ctx.user_id)
    put_texts(message.metadata, ctx.metadata)
    message.metadata["edge_id"] = ctx.edge_id
    message.metadata["edge_namespace"] = ctx.edge_namespace
    put_texts(message.trace_context, ctx.trace_context)
    put_texts(message.claims, ctx.claims)


def put_user_id(message: PluginContext, user_id: int | None) -> None:
    """Many a person's number is too large for the protocol's own field, and none there."""
    message.user_id = fitting = u32(user_id)
    if user_id is not None and user_id > fitting:
        message.whole_user_id = i64(user_id)


def facts_from_wire(message: PluginContext) -> ExchangeFacts:
    """What a plugin's context is made of; 0 is none, as the protocol has it."""
    metadata = dict(message.metadata)
    edge_id, edge_namespace = metadata.pop("edge_id", ""), metadata.pop("edge_namespace", "")
    return ExchangeFacts(
        request_id=message.request_id,
        exchange_id=message.exchange_id,
        app_id=message.app_id or None,
        user_id=message.user_id or message.whole_user_id or None,
        llm_id=message.llm_id or None,
        llm_slug=message.llm_slug,
        vendor=message.vendor,
        traceparent=message.trace_context.get("traceparent", ""),
        tracestate=message.trace_context.get("tracestate", ""),
        edge_id=edge_id,
        edge_namespace=edge_namespace,
        claims=dict(message.claims),
        metadata=metadata,
    )
