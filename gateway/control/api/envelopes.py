"""What stands around data in answers, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field

from gateway.control.api.views import At

T = TypeVar("T")


class One(BaseModel, Generic[T]):
    """One thing; a change says what was done."""

    data: T
    message: str | None = None


class Pagination(BaseModel):
    """Where a page stands."""

    page: Annotated[int, Field(examples=[1])]
    limit: Annotated[int, Field(examples=[20])]
    total: Annotated[int, Field(examples=[1])]
    total_pages: Annotated[int, Field(examples=[1])]


class Many(BaseModel, Generic[T]):
    """A page of a list."""

    data: list[T]
    pagination: Pagination


class All(BaseModel, Generic[T]):
    """A list that is short."""

    data: list[T]
    message: str | None = None


class TimeRange(BaseModel):
    """From, to before."""

    start_time: At
    end_time: At


class Timed(BaseModel, Generic[T]):
    """Figures of a time."""

    data: T
    time_range: TimeRange


class Done(BaseModel):
    """What was done."""

    message: Annotated[str, Field(examples=["LLM deleted successfully"])]


class FieldProblem(BaseModel):
    """One thing that is wrong."""

    field: str
    message: str


class Refused(BaseModel):
    """What is wrong, with a code that stays the same."""

    error: Annotated[str, Field(examples=["Invalid request"], description="summary")]
    message: Annotated[str, Field(examples=["name: is required; add it"], description="detail, and the remedy")]
    code: Annotated[str, Field(examples=["invalid"])]
    field: Annotated[str | None, Field(examples=["name"])] = None
    problems: Annotated[list[FieldProblem] | None, Field(description="where several things are wrong")] = None
