"""Apps and users as hooks are given them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.records import App, User
from sluice.sdk.wire.values import currency, exact_nanos, i32, i64, nanos_in, text, texts, u32


def app_to_wire(app: App) -> pb.App:
    """With its budget in currency units too, which peers read."""
    return pb.App(
        id=u32(app.id),
        name=text(app.name),
        description=text(app.description),
        owner_email=text(app.owner_email),
        is_active=app.is_active,
        monthly_budget=currency(app.monthly_budget_nanos),
        rate_limit=i32(app.rate_limit_rpm),
        metadata=texts(app.metadata),
        monthly_budget_nanos=exact_nanos(app.monthly_budget_nanos),
        budget_reset_day=i32(app.budget_reset_day),
        allowed_ips=app.allowed_ips,
        metadata_json=metadata_json(app.metadata),
        created_at_micros=i64(app.created_at),
        updated_at_micros=i64(app.updated_at),
    )


def app_from_wire(message: pb.App) -> App:
    """Its inverse."""
    return App(
        id=message.id,
        name=message.name,
        description=message.description,
        owner_email=message.owner_email,
        is_active=message.is_active,
        monthly_budget_nanos=nanos_in(message, "monthly_budget_nanos", message.monthly_budget),
        budget_reset_day=message.budget_reset_day or 1,
        rate_limit_rpm=message.rate_limit,
        allowed_ips=tuple(message.allowed_ips),
        metadata=metadata_of(message),
        created_at=message.created_at_micros,
        updated_at=message.updated_at_micros,
    )


def user_to_wire(user: User) -> pb.User:
    """Whole."""
    return pb.User(
        id=u32(user.id),
        whole_id=0 if u32(user.id) else max(0, i64(user.id)),
        email=text(user.email),
        name=text(user.name),
        is_active=user.is_active,
        metadata=texts(user.metadata),
    )


def user_from_wire(message: pb.User) -> User:
    """Its inverse."""
    return User(
        id=message.id or message.whole_id,
        email=message.email,
        name=message.name,
        is_active=message.is_active,
        metadata=dict(message.metadata),
    )


def metadata_json(metadata: Mapping[str, Any]) -> bytes:
    """Empty where every value is text, which the protocol's own map carries."""
    return b"" if all(isinstance(value, str) for value in metadata.values()) else msgspec.json.encode(metadata)


def metadata_of(message: Any) -> dict[str, Any]:
    """The metadata of a record, with its values as they were."""
    if message.metadata_json:
        return msgspec.json.decode(message.metadata_json, type=dict[str, Any])
    return dict(message.metadata)
