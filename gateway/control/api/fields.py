"""The types of what the API takes: strict, bounded, exact; shared by every resource's models."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic import WithJsonSchema as Schema

from gateway.access.addresses import parse_network
from sluice.clock import micros_of
from sluice.money.nanos import NANOS_PER_UNIT, parse_nanos
from sluice.money.periods import is_time_zone

ItemT = TypeVar("ItemT")
MAX_ID = (1 << 53) - 1
"""What every reader of JSON keeps exactly."""
_MAX_NANOS = (1 << 63) - 1
_TOKENS_PER_PRICE = 1_000_000
"""Prices are named for one token, and kept for a million."""
_MAX_DIGITS = 80
_MAX_EXPONENT = 40
"""Of a number: beyond it nothing is an amount, and to write it out would take long."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_PLAIN = re.compile(r"[0-9]{1,19}(\.[0-9]{1,18})?", re.ASCII)
_MAX_SLUG = 63
_MAX_JSON_DEPTH = 32
_MAX_JSON_BYTES = 64 << 10
_MONEY = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}]}


class Body(BaseModel):
    """What a request's body may say; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def given(self) -> dict[str, Any]:
        """The fields that the client named, by name."""
        return {name: getattr(self, name) for name in self.__class__.model_fields if name in self.model_fields_set}


def example(value: dict[str, Any], *, is_change: bool = False) -> ConfigDict:
    """A model's example for OpenAPI; a change has no defaults: what is not named stays as it is."""

    def extend(schema: dict[str, Any]) -> None:
        schema["examples"] = [value]
        for field in schema.get("properties", {}).values() if is_change else ():
            field.pop("default", None)

    return ConfigDict(json_schema_extra=extend)


def single_line(value: str) -> str:
    """A text without control characters; ValueError."""
    if _CONTROLS.search(value):
        message = "has a control character or a line's end; remove it"
        raise ValueError(message)
    return value


def _filled(value: str) -> str:
    if not value.strip():
        message = "is blank; write something"
        raise ValueError(message)
    return value


def _nanos(value: object) -> int:
    """Exactly, of a number or a decimal text, zero or more."""
    amount = _amount(value)
    try:
        return parse_nanos(amount)
    except (TypeError, ValueError):
        message = "is no amount: write a decimal number with at most 9 digits behind the point, e.g. 12.50"
        raise ValueError(message) from None


def _nanos_per_million(value: object) -> int:
    """Of a price for one token."""
    # not as decimals: their arithmetic rounds to 28 digits
    numerator, denominator = _amount(value).as_integer_ratio()
    nanos, rest = divmod(numerator * NANOS_PER_UNIT * _TOKENS_PER_PRICE, denominator)
    if rest:
        message = "is finer than a nano for a million tokens (1e-15 for one); round it yourself"
        raise ValueError(message)
    if nanos > _MAX_NANOS:
        message = "is more than an event can carry"
        raise ValueError(message)
    return nanos


def _amount(value: object) -> Decimal:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        message = "is no amount: write a decimal number, or one as text, e.g. 12.50"
        raise ValueError(message)  # noqa: TRY004 - pydantic makes answers of ValueErrors
    amount = Decimal(value)
    if not amount.is_finite() or len(str(amount)) > _MAX_DIGITS:
        message = "is no amount: it has more digits than anything costs"
        raise ValueError(message)
    if amount < 0:
        message = "is below zero"
        raise ValueError(message)
    if amount and not -_MAX_EXPONENT < amount.adjusted() < _MAX_EXPONENT:
        message = "is no amount that anything costs"
        raise ValueError(message)
    return amount


def _moment(value: object) -> int:
    """Micros of an RFC 3339 text."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        message = "is no moment: write RFC 3339 with a zone, e.g. 2030-01-31T12:00:00Z"
        raise ValueError(message)
    try:
        micros = micros_of(datetime.fromisoformat(value.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        message = "is no moment that a calendar has"
        raise ValueError(message) from None
    if micros < 0:
        message = "is before 1970"
        raise ValueError(message)
    return micros


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        message = "is no number"
        raise ValueError(message)  # noqa: TRY004 - as above
    return float(value)


def _json(value: object) -> dict[str, Any]:
    """An object of plain JSON within bounds; its decimals become what JSON columns keep."""
    if not isinstance(value, dict):
        message = "is no object"
        raise ValueError(message)  # noqa: TRY004 - as above
    plain: dict[str, Any] = _plain(value, 0)
    if len(json.dumps(plain, ensure_ascii=False).encode()) > _MAX_JSON_BYTES:
        message = f"is larger than {_MAX_JSON_BYTES} bytes"
        raise ValueError(message)
    return plain


def _plain(value: Any, depth: int) -> Any:
    if depth > _MAX_JSON_DEPTH:
        message = f"is nested more than {_MAX_JSON_DEPTH} deep"
        raise ValueError(message)
    if isinstance(value, dict):
        return {key: _plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, Decimal):
        number = float(value)
        if number in {float("inf"), float("-inf")}:
            message = "has a number beyond all bounds"
            raise ValueError(message)
        return number
    return value


def _network(value: str) -> str:
    parse_network(value)
    return value


def _email(value: str) -> str:
    """Only a mail that arrives proves an address: what is surely none is refused, reserved domains are not."""
    if value and not _EMAIL.fullmatch(value):
        message = "is no e-mail address; write one like dev@example.com"
        raise ValueError(message)
    return value


def _unique(values: list[ItemT]) -> list[ItemT]:
    if len(set(values)) != len(values):
        message = "names something twice"
        raise ValueError(message)
    return values


Flag = StrictBool
Id = Annotated[StrictInt, Field(ge=1, le=MAX_ID)]
Count = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
"""Of requests, tokens, exchanges; 0 is no limit."""
Size = Annotated[StrictInt, Field(ge=0, le=1 << 40)]
"""Bytes; 0 is the gateway's own limit."""
ResetDay = Annotated[StrictInt, Field(ge=1, le=28)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=255), AfterValidator(single_line), AfterValidator(_filled)]
Line = Annotated[StrictStr, Field(max_length=255), AfterValidator(single_line)]
Text = Annotated[StrictStr, Field(max_length=4096)]
Slug = Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Model = Annotated[StrictStr, Field(min_length=1, max_length=256), AfterValidator(single_line)]
Vendor = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(single_line)]
Label = Annotated[StrictStr, Field(min_length=1, max_length=64), AfterValidator(single_line)]
Email = Annotated[StrictStr, Field(max_length=320), AfterValidator(single_line), AfterValidator(_email)]
Block = Annotated[StrictStr, Field(max_length=64), AfterValidator(_network)]
Zone = Annotated[StrictStr, Field(max_length=64), AfterValidator(single_line), AfterValidator(is_time_zone)]
Ids = Annotated[list[Id], Field(max_length=1000), AfterValidator(_unique)]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=86_400), Schema({"type": "number"})]
Money = Annotated[int, BeforeValidator(_nanos), Field(le=_MAX_NANOS), Schema({**_MONEY, "examples": ["12.50"]})]
"""Nanos of an amount."""
TokenPrice = Annotated[int, BeforeValidator(_nanos_per_million), Schema({**_MONEY, "examples": [6e-7]})]
"""Nanos for a million tokens, of the price of one."""
Moment = Annotated[int, BeforeValidator(_moment), Schema({"type": "string", "format": "date-time"})]
"""Micros of the epoch."""
Object = Annotated[dict[str, Any], BeforeValidator(_json), Schema({"type": "object", "additionalProperties": True})]


def column(values: dict[str, Any], given: str, kept: str) -> None:
    """Give a value the name that the entity has for it, where it was given."""
    if given in values:
        values[kept] = values.pop(given)


def slug_of(name: str) -> str:
    """A slug made of a name; empty where it has no letter or digit that a URL may have."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_SLUG.sub("-", plain).strip("-")[:_MAX_SLUG].rstrip("-")
