"""``--where 'app_id = 7 and vendor != openai'``: which records are shown, by what is in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from collectors.operations.running import UsageError

_TERM = re.compile(
    r"""\s*(?P<field>[A-Za-z_][A-Za-z0-9_.]*)\s*(?P<operator>!=|<=|>=|=|<|>|~)\s*"""
    r"""(?P<value>'[^']*'|"[^"]*"|[^\s'"]+)\s*"""
)
_AND = re.compile(r"and\s+", re.IGNORECASE)
_FORM = "write FIELD = VALUE, with =, !=, <, <=, >, >= or ~ (contains), several joined by and"
_LITERALS: dict[str, Any] = {"null": None, "true": True, "false": False}


def _number_or_text(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _value(text: str) -> Any:
    """In quotes it is text, whatever it looks like."""
    if text[0] in "'\"":
        return text[1:-1]
    return _LITERALS[text] if text in _LITERALS else _number_or_text(text)


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda found, value: bool(found < value),
    "<=": lambda found, value: bool(found <= value),
    ">": lambda found, value: bool(found > value),
    ">=": lambda found, value: bool(found >= value),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison."""

    field: str
    operator: str
    value: Any

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Of a list it holds where it holds of one item; what cannot be compared does not hold."""
        found: Any = event
        for part in self.field.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if self.operator == "!=":
            return not self._is_equal(found)
        return any(self._holds_of(each) for each in found) if isinstance(found, list) else self._holds_of(found)

    def _is_equal(self, found: Any) -> bool:
        if isinstance(found, list):
            return any(self._is_equal(each) for each in found)
        if isinstance(found, bool) or isinstance(self.value, bool) or found is None or self.value is None:
            return found is self.value
        return bool(found == self.value) or (isinstance(found, str) and found == str(self.value))

    def _holds_of(self, found: Any) -> bool:
        if self.operator == "=":
            return self._is_equal(found)
        if self.operator == "~":
            return isinstance(found, str) and str(self.value).casefold() in found.casefold()
        try:
            return _ORDERS[self.operator](found, self.value)
        except TypeError:
            return False


@dataclass(frozen=True, slots=True)
class Conditions:
    """All must hold."""

    all_of: Sequence[Condition] = ()

    def hold(self, event: Mapping[str, Any]) -> bool:
        """Whether they do."""
        return all(condition.holds(event) for condition in self.all_of)

    def check_fields(self, known: Collection[str]) -> None:
        """Raises UsageError for a field that nothing has, with the one that was meant."""
        for condition in self.all_of:
            name = condition.field.partition(".")[0]
            if name not in known:
                near = get_close_matches(name, known, 1)
                remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
                raise UsageError(f"--where: no field {name!r}; {remedy}")


def conditions_of(text: str) -> Conditions:
    """What the option says; raises UsageError with the form it must have."""
    terms, at = [], 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None:
            raise UsageError(f"--where: {text[at:]!r} is no condition; {_FORM}")
        terms.append(Condition(match["field"], match["operator"], _value(match["value"])))
        at = match.end()
        if at < len(text):
            joint = _AND.match(text, at)
            if joint is None:
                raise UsageError(f"--where: {text[at:]!r} where and should be; {_FORM}")
            at = joint.end()
            if at == len(text):
                raise UsageError(f"--where: nothing follows and; {_FORM}")
    return Conditions(terms)
