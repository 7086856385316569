"""Headers as plugins see them: immutable, case-insensitive, several values to a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

RawHeaders = list[tuple[bytes, bytes]]
"""Header lines in order, as the gateway has them: names lower-case, values as they are on the wire."""

HeaderValues = Mapping[str, "str | Iterable[str]"]
"""What authors may write headers as: a name's value, or its values."""

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110, 5.6.2: token
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # CR and LF would start a header of the value's choice

_new: Final = object.__new__
"""Headers are made for every hook, and to look it up on an abstract class takes an eighth of that."""


class Headers(Mapping[str, str]):
    """An immutable, case-insensitive mapping of header names to values.

    ``headers["accept"]`` joins several values with ``", "``; ``get_all`` keeps them apart. Changed copies come from
    ``with_value``, ``with_added``, ``without`` and ``headers | {"x-name": "value"}``.
    """

    __slots__ = ("_raw",)

    def __init__(self, values: HeaderValues | Iterable[tuple[str, str]] = ()) -> None:
        """Raises ValueError for what may not stand in a header."""
        self._raw: RawHeaders = _encoded(values)

    @classmethod
    def of_raw(cls, raw: RawHeaders) -> Self:
        """The host's way: takes parsed header lines as they are. The list must not be changed afterwards."""
        headers = _new(cls)
        headers._raw = raw  # noqa: SLF001 - its own
        return headers

    @property
    def raw(self) -> RawHeaders:
        """The header lines, for the host; not to be changed."""
        return self._raw

    def get_all(self, name: str) -> list[str]:
        """Every value of a name, in order; empty where it is absent."""
        key = _key(name)
        return [value.decode("latin-1") for other, value in self._raw if other == key]

    def with_value(self, name: str, value: str | Iterable[str]) -> Self:
        """A copy in which ``name`` has this value or these values, and no others."""
        return self | {name: value}

    def with_added(self, name: str, value: str) -> Self:
        """A copy with one more value of ``name``."""
        return self.of_raw([*self._raw, *_encoded({name: value})])

    def without(self, *names: str) -> Self:
        """A copy in which these names are absent."""
        keys = {_key(name) for name in names}
        return self.of_raw([line for line in self._raw if line[0] not in keys])

    def __or__(self, values: HeaderValues) -> Self:
        added = _encoded(values)
        replaced = {_key(name) for name in values}
        return self.of_raw([*(line for line in self._raw if line[0] not in replaced), *added])

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        key = _key(name)
        return any(other == key for other, _ in self._raw)

    def __iter__(self) -> Iterator[str]:
        return iter({name.decode("latin-1"): None for name, _ in self._raw})

    def __len__(self) -> int:
        return len({name for name, _ in self._raw})

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, Headers) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self._raw))

    def __repr__(self) -> str:
        """Names alone: a header may be a credential, and a repr may end in a log."""
        return f"Headers({', '.join(self)})"


def credential_of(headers: Headers) -> str:
    """What a client sent to prove who it is, with its scheme; empty where it sent nothing of the kind."""
    return " ".join(headers[name] for name in ("authorization", "x-api-key", "api-key") if name in headers)


def check_raw_headers(raw: RawHeaders) -> None:
    """Raise ValueError unless every line may go onto the wire."""
    for name, value in raw:
        if _NAME.fullmatch(name) is None:
            message = f"{name!r} is not the name of a header"
            raise ValueError(message)
        if _FORBIDDEN.search(value) is not None:
            message = f"the value of header {name.decode()!r} has a control character"
            raise ValueError(message)


def _key(name: str) -> bytes:
    return name.lower().encode("latin-1", "replace")


def _encoded(values: HeaderValues | Iterable[tuple[str, str]]) -> RawHeaders:
    if isinstance(values, Headers):
        return values.raw
    pairs = values.items() if isinstance(values, Mapping) else values
    raw = [(_key(name), text.encode("latin-1")) for name, given in pairs for text in _each(given)]
    check_raw_headers(raw)
    return raw


def _each(values: str | Iterable[str]) -> Iterable[str]:
    return (values,) if isinstance(values, str) else values
