"""Pages of lists, and lists of all pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.control.entities import Entity
from gateway.control.errors import NotFoundError

if TYPE_CHECKING:
    from gateway.control.repository import Repository

ItemT = TypeVar("ItemT")
EntityT = TypeVar("EntityT", bound=Entity)
_FEW = 5
"""So many entities are read one by one sooner than with all of their kind."""
_AT_ONCE = 1000
MAX_PAGE = 1_000_000_000
"""A page beyond is a slip of the finger, and its offset must fit a database's integer."""


class Query(BaseModel):
    """Query parameters of a route; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(Query):
    """Which page of a list."""

    page: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Where a page stands in its list."""

    page: int
    limit: int
    total: int

    @property
    def total_pages(self) -> int:
        """How many pages there are."""
        return -(-self.total // self.limit)


@dataclass(frozen=True, slots=True)
class Cut(Generic[ItemT]):
    """A page of a list that is in memory."""

    items: Sequence[ItemT]
    total: int


def cut(items: Sequence[ItemT], query: PageQuery) -> Cut[ItemT]:
    """The page that was asked for."""
    first = (query.page - 1) * query.limit
    return Cut(items[first : first + query.limit], len(items))


async def every(repository: Repository[EntityT], **equals: object) -> list[EntityT]:
    """All pages, for kinds of which there are few. What is made meanwhile may be missing."""
    found: list[EntityT] = []
    while True:
        page = await repository.find(page=len(found) // _AT_ONCE + 1, limit=_AT_ONCE, **equals)
        found += page.items
        if len(page.items) < _AT_ONCE:
            return found


async def by_ids(repository: Repository[EntityT], ids: Collection[int]) -> dict[int, EntityT]:
    """Those that are (still) there, in few queries however many are asked for."""
    if len(ids) > _FEW:
        wanted = frozenset(ids)
        return {entity.id: entity for entity in await every(repository) if entity.id in wanted}
    found: dict[int, EntityT] = {}
    for entity_id in ids:
        try:
            found[entity_id] = await repository.get(entity_id)
        except NotFoundError:  # it went since its id was read
            continue
    return found
