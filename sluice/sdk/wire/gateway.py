"""What the gateway tells plugins of apps, LLMs and credentials, as the management service has it."""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk.records import App, CredentialCheck, LicenseInfo, Llm
from sluice.sdk.wire.records import metadata_json, metadata_of
from sluice.sdk.wire.values import (
    currency,
    exact_nanos,
    i32,
    i64,
    json_text,
    micros,
    micros_of_timestamp,
    nanos_in,
    seconds,
    text,
    texts,
    timestamp,
    u32,
)


def app_info_to_wire(app: App) -> pb.AppInfo:
    """For ``GetApp`` and ``ListApps``; metadata is JSON text there."""
    return pb.AppInfo(
        id=u32(app.id),
        name=text(app.name),
        description=text(app.description),
        owner_email=text(app.owner_email),
        is_active=app.is_active,
        monthly_budget=currency(app.monthly_budget_nanos),
        budget_reset_day=i32(app.budget_reset_day),
        rate_limit_rpm=i32(app.rate_limit_rpm),
        allowed_ips=app.allowed_ips,
        created_at=timestamp(app.created_at),
        updated_at=timestamp(app.updated_at),
        metadata=json_text(app.metadata),
        monthly_budget_nanos=exact_nanos(app.monthly_budget_nanos),
    )


def app_info_from_wire(message: pb.AppInfo) -> App:
    """Its inverse. Raises ValueError for metadata that is no JSON object."""
    return App(
        id=message.id,
        name=message.name,
        description=message.description,
        owner_email=message.owner_email,
        is_active=message.is_active,
        monthly_budget_nanos=nanos_in(message, "monthly_budget_nanos", message.monthly_budget),
        budget_reset_day=message.budget_reset_day or 1,
        rate_limit_rpm=message.rate_limit_rpm,
        allowed_ips=tuple(message.allowed_ips),
        metadata=msgspec.json.decode(message.metadata, type=dict[str, Any]) if message.metadata else {},
        created_at=micros_of_timestamp(message.created_at),
        updated_at=micros_of_timestamp(message.updated_at),
    )


def llm_info_to_wire(llm: Llm) -> pb.LLMInfo:
    """For ``GetLLM`` and ``ListLLMs``; without a budget there is none in the message."""
    return pb.LLMInfo(
        id=u32(llm.id),
        name=text(llm.name),
        vendor=text(llm.vendor),
        slug=text(llm.slug),
        endpoint=text(llm.endpoint),
        has_api_key=llm.has_api_key,
        default_model=text(llm.default_model),
        allowed_models=llm.allowed_models,
        is_active=llm.is_active,
        max_tokens=i32(llm.max_tokens),
        timeout_seconds=i32(round(llm.timeout_seconds)),
        retry_count=i32(llm.retry_count),
        monthly_budget=None if llm.monthly_budget_nanos is None else currency(llm.monthly_budget_nanos),
        rate_limit_rpm=i32(llm.rate_limit_rpm),
        created_at=timestamp(llm.created_at),
        updated_at=timestamp(llm.updated_at),
        metadata=texts(llm.metadata),
        monthly_budget_nanos=exact_nanos(llm.monthly_budget_nanos),
        timeout=llm.timeout_seconds,
        metadata_json=metadata_json(llm.metadata),
    )


def llm_info_from_wire(message: pb.LLMInfo) -> Llm:
    """Its inverse."""
    limited = message.HasField("monthly_budget")
    return Llm(
        id=message.id,
        name=message.name,
        vendor=message.vendor,
        slug=message.slug,
        endpoint=message.endpoint,
        has_api_key=message.has_api_key,
        default_model=message.default_model,
        allowed_models=tuple(message.allowed_models),
        is_active=message.is_active,
        max_tokens=message.max_tokens,
        timeout_seconds=message.timeout or message.timeout_seconds,
        retry_count=message.retry_count,
        monthly_budget_nanos=nanos_in(message, "monthly_budget_nanos", message.monthly_budget) if limited else None,
        rate_limit_rpm=message.rate_limit_rpm,
        metadata=metadata_of(message),
        created_at=micros_of_timestamp(message.created_at),
        updated_at=micros_of_timestamp(message.updated_at),
    )


def credential_check_to_wire(check: CredentialCheck) -> pb.ValidateCredentialResponse:
    """For ``ValidateCredential``."""
    return pb.ValidateCredentialResponse(
        valid=check.valid,
        app_id=u32(check.app_id),
        credential_id=u32(check.credential_id),
        expires_at=None if check.expires_at is None else seconds(check.expires_at),
        expires_at_micros=None if check.expires_at is None else i64(check.expires_at),
    )


def credential_check_from_wire(message: pb.ValidateCredentialResponse) -> CredentialCheck:
    """Its inverse; 0 is none."""
    expires_at = micros(message.expires_at) if message.HasField("expires_at") else None
    return CredentialCheck(
        valid=message.valid,
        app_id=message.app_id or None,
        credential_id=message.credential_id or None,
        expires_at=message.expires_at_micros if message.HasField("expires_at_micros") else expires_at,
    )


def license_to_wire(info: LicenseInfo) -> pb.GetLicenseInfoResponse:
    """For ``GetLicenseInfo``."""
    return pb.GetLicenseInfoResponse(
        license_valid=info.license_valid,
        days_remaining=i32(info.days_remaining),
        license_type=text(info.license_type),
        entitlements=info.entitlements,
        organization=text(info.organization),
        expires_at=timestamp(info.expires_at),
    )


def license_from_wire(message: pb.GetLicenseInfoResponse) -> LicenseInfo:
    """Its inverse."""
    return LicenseInfo(
        license_valid=message.license_valid,
        days_remaining=message.days_remaining,
        license_type=message.license_type,
        entitlements=tuple(message.entitlements),
        organization=message.organization,
        expires_at=micros_of_timestamp(message.expires_at) if message.HasField("expires_at") else None,
    )
