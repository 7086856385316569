"""A request's members, taken one by one: what nobody took is refused, so that nothing is dropped silently."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Never, TypeVar, overload

from gateway.bridge.interface import Invalid, Unsupported

T = TypeVar("T")


class Taking:
    """A JSON object of a request at a dotted path. A member that is ``null`` is as good as absent."""

    __slots__ = ("_left", "_path", "vendor")

    def __init__(self, members: dict[str, Any], vendor: str, path: str = "") -> None:
        self._left = {name: value for name, value in members.items() if value is not None}
        self._path = path
        self.vendor = vendor

    def path_of(self, name: object) -> str:
        """The dotted path of a member."""
        return f"{self._path}.{name}" if self._path else str(name)

    def __contains__(self, name: str) -> bool:
        """Whether a member is there that nobody took yet."""
        return name in self._left

    @overload
    def take(self, name: str) -> Any: ...
    @overload
    def take(self, name: str, default: T) -> Any | T: ...
    def take(self, name: str, default: Any = None) -> Any:
        """A member, whatever it is."""
        return self._left.pop(name, default)

    def text(self, name: str) -> str | None:
        """A string."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            self.fail(name, "a string")
        return value

    def number(self, name: str) -> float | None:
        """A number; an integer stays one."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.fail(name, "a number")
        return value

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.take(name)
        if value is not None and type(value) is not int:
            self.fail(name, "a whole number")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.take(name)
        if value is not None and type(value) is not bool:
            self.fail(name, "true or false")
        return value

    def needed_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            self.fail(name, "a string", is_missing=True)
        return value

    def inner(self, name: str) -> Taking | None:
        """An object."""
        value = self.take(name)
        return None if value is None else self._object(name, value)

    def needed(self, name: str) -> Taking:
        """An object that must be there."""
        value = self.inner(name)
        if value is None:
            self.fail(name, "an object", is_missing=True)
        return value

    def items(self, name: str) -> Iterator[Taking]:
        """The objects of a list; none where it is absent."""
        value = self.take(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.fail(name, "a list")
        for place, item in enumerate(value):
            yield self._object(f"{name}.{place}", item)

    def texts(self, name: str) -> list[str]:
        """A string, or a list of them, as ``stop`` is; empty where it is absent."""
        value = self.take(name)
        if value is None:
            return []
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in found):
            self.fail(name, "a string or a list of strings")
        return found

    def ignore(self, *names: str) -> None:
        """Members that change nothing of the answer (``user``, ``metadata``, ``store``…): say in the README which."""
        for name in names:
            self._left.pop(name, None)

    def only(self, name: str, *values: object) -> None:
        """Take a member that may only say what is so anyway, such as ``n: 1``; refused with any other value."""
        value = self.take(name)
        if value is not None and not any(value == known and type(value) is type(known) for known in values):
            known = " or ".join(repr(known) for known in values)
            self.refuse(name, f"{name}={_shown(value)}", f"leave it out, or say {known}")

    def refuse(self, name: object, what: str, remedy: str = "leave it out") -> Never:
        """Raise ``Unsupported``: the vendor has no ``what``."""
        path = self.path_of(name) if name else self._path
        message = f"{self.vendor} has no {what} that the bridge could translate to; {remedy}"
        raise Unsupported(path, message)

    def fail(self, name: object, kind: str, *, is_missing: bool = False) -> Never:
        """Raise ``Invalid``: the member is not of this kind."""
        path = self.path_of(name)
        raise Invalid(path, f"{path!r} is missing: {kind}" if is_missing else f"{path!r} must be {kind}")

    def refuse_rest(self) -> None:
        """Raise ``Unsupported`` for the first member that nobody took."""
        for name in self._left:
            self.refuse(name, repr(self.path_of(name)))

    def _object(self, name: str, value: object) -> Taking:
        if not isinstance(value, dict):
            self.fail(name, "an object")
        return Taking(value, self.vendor, self.path_of(name))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
