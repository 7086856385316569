"""The audit: who changed what, before and after."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from gateway.control.api.call import CallOf
from gateway.control.api.envelopes import Many
from gateway.control.api.fields import MAX_ID
from gateway.control.api.paging import PageQuery
from gateway.control.api.route import control_router
from gateway.control.api.system_views import AuditEntryView
from gateway.control.entities import EntityKind

router = control_router("audit")


class AuditQuery(PageQuery):
    """Of what."""

    kind: EntityKind | None = None
    entity_id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


@router.get("/audit", name="audit.listed", response_model=Many[AuditEntryView])
async def list_audit_entries(query: Annotated[AuditQuery, Query()], call: CallOf) -> Response:
    """Changes, the newest first; secrets are masked."""
    found = await call.store.audit_entries(query.page, query.limit, query.kind, query.entity_id)
    return await call.listed(found.items, found.total, query)
