"""LLMs as plugins see them: the worker has them all, described, in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.control.errors import InvalidError
from gateway.control.repository import check_page
from gateway.plugin_services.records import llm_of
from sluice.sdk.errors import NotFound, ServiceError

if TYPE_CHECKING:
    from gateway.control.entities import LlmEntity
    from sluice.sdk.records import Llm


class Llms:
    """One worker's; ``entities`` are those that its present snapshot was made of."""

    def __init__(self, entities: Callable[[], Mapping[int, LlmEntity]]) -> None:
        self._entities = entities

    def get(self, llm_id: object) -> Llm:
        """An LLM, active or not. Raises NotFound."""
        entity = self._entities().get(llm_id) if isinstance(llm_id, int) else None
        if entity is None:
            message = f"there is no LLM {llm_id!r:.40}"
            raise NotFound(message)
        return llm_of(entity)

    def list(self, page: int, limit: int, vendor: str, is_active: bool | None) -> Sequence[Llm]:
        """One page, by id. Raises ServiceError."""
        try:
            check_page(page, limit)
        except (InvalidError, TypeError) as error:
            raise ServiceError(str(error)) from error
        found = self._found(vendor, is_active)
        return [llm_of(entity) for entity in found[(page - 1) * limit : page * limit]]

    def count(self, vendor: str, is_active: bool | None) -> int:
        """How many there are."""
        return len(self._found(vendor, is_active))

    def _found(self, vendor: str, is_active: bool | None) -> Sequence[LlmEntity]:
        entities = self._entities()
        wanted = (entities[llm_id] for llm_id in sorted(entities))
        return [entity for entity in wanted if vendor in {"", entity.vendor} and is_active in {None, entity.is_active}]
