"""Paths of plugins' endpoints: what a registration may say, which requests it takes, and which two cannot both be.

A path is segments between slashes. ``/a/b`` is itself alone; ``{name}`` is one segment that is not empty; ``/*`` at the
end is whatever follows, nothing included. Of several that take a request the most specific one gets it: at the first
segment where they differ, what is written out goes before ``{name}``, and that before ``/*``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from sluice.sdk.endpoints import EndpointRegistration

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What an endpoint may be asked with."""

MAX_PATH_CHARACTERS: Final = 1024
MAX_REGISTRATIONS: Final = 1000
"""Of one plugin."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f?#]")

_LITERAL, _PARAMETER, _REST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path as it was registered, ready to be matched."""

    path: str
    literals: tuple[str | None, ...]
    """Its segments; ``None`` where one is a parameter."""
    names: tuple[str, ...]
    """Of the parameters, in order."""
    takes_rest: bool
    """Whether ``/*`` stands at its end."""
    rank: tuple[int, ...] = field(repr=False)
    """Sorts the more specific one before the other."""

    @property
    def shape(self) -> tuple[tuple[str | None, ...], bool]:
        """What two patterns have in common that take the very same requests."""
        return self.literals, self.takes_rest

    def match(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """What stood at its parameters (``*`` is what ``/*`` took), or ``None`` where it does not take this path."""
        literals = self.literals
        size = len(literals)
        if len(segments) < size or (len(segments) > size and not self.takes_rest):
            return None
        values = []
        for literal, segment in zip(literals, segments, strict=False):
            if literal is None:
                if not segment:
                    return None
                values.append(segment)
            elif literal != segment:
                return None
        found = dict(zip(self.names, values, strict=True))
        if self.takes_rest:
            found["*"] = "/".join(segments[size:])
        return found


def segments_of(path: str) -> tuple[str, ...]:
    """What stands between the slashes: nothing in ``/``, an empty last one behind a slash at the end."""
    return tuple(path[1:].split("/")) if len(path) > 1 else ()


def parse_pattern(path: Any) -> Pattern:
    """The pattern of a registered path; raises ValueError, which says what is wrong with it."""
    segments = list(segments_of(_checked_path(path)))
    takes_rest = bool(segments) and segments[-1] == "*"
    if takes_rest:
        segments.pop()
    literals = [_literal(path, segment) for segment in segments]
    names = tuple(segment[1:-1] for segment, literal in zip(segments, literals, strict=True) if literal is None)
    for name in names:
        if names.count(name) > 1:
            message = f"path {path!r} has {{{name}}} twice"
            raise ValueError(message)
    kinds = [_PARAMETER if literal is None else _LITERAL for literal in literals]
    rank = (*kinds, _REST) if takes_rest else tuple(kinds)
    return Pattern(path, tuple(literals), names, takes_rest, rank)


def _checked_path(path: Any) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        message = f"path {path!r:.80} does not begin with '/'"
        raise ValueError(message)
    if len(path) > MAX_PATH_CHARACTERS:
        message = f"path {path[:40]!r}… has {len(path)} characters, more than {MAX_PATH_CHARACTERS}"
        raise ValueError(message)
    if _UNPRINTABLE.search(path):
        message = f"path {path!r} has a space, a control character, '?' or '#' in it"
        raise ValueError(message)
    if ".." in path.replace("\\", "/").split("/"):
        message = f"path {path!r} climbs with '..'"
        raise ValueError(message)
    if "%" in path:
        message = f"path {path!r} is percent-encoded: write what it stands for, requests are decoded"
        raise ValueError(message)
    return path


def _literal(path: str, segment: str) -> str | None:
    if "*" in segment:
        message = f"path {path!r} has a '*' that is not its last segment: only '/*' at the end takes more than one"
        raise ValueError(message)
    if "{" not in segment and "}" not in segment:
        return segment
    if not (segment.startswith("{") and segment.endswith("}") and _NAME.fullmatch(segment[1:-1])):
        message = f"path {path!r}: {segment!r} is no parameter; one is a whole segment, {{name}}, of letters and digits"
        raise ValueError(message)
    return None


def parse_methods(methods: Any) -> tuple[str, ...]:
    """Methods in upper case, each once; raises ValueError for one that is none, and for none at all."""
    given = [methods] if isinstance(methods, str) else methods
    if not isinstance(given, Sequence) or not given:
        message = f"methods are {methods!r:.80}; name at least one of {', '.join(METHODS)}"
        raise ValueError(message)
    for method in given:
        if not isinstance(method, str) or method.upper() not in METHODS:
            message = f"method {method!r:.40} is not one of {', '.join(METHODS)}"
            raise ValueError(message)
    return tuple(dict.fromkeys(method.upper() for method in given))


def check_slug(slug: Any) -> str:
    """What stands behind ``/plugins/``; raises ValueError unless it is 1 to 64 of ``[A-Za-z0-9_.-]``."""
    if not isinstance(slug, str) or _SLUG.fullmatch(slug) is None:
        message = f"slug {slug!r:.80} is not 1 to 64 letters, digits, '_', '.', '-', with a letter or digit in front"
        raise ValueError(message)
    return slug


def conflicts(registrations: Iterable[EndpointRegistration]) -> list[str]:
    """Sentences on those of one plugin that would take the very same requests; paths and methods must be right."""
    taken: dict[tuple[Any, str], str] = {}
    found = []
    for registration in registrations:
        shape = parse_pattern(registration.path).shape
        for method in parse_methods(registration.methods):
            if (shape, method) in taken:
                found.append(f"{method} {registration.path!r} is registered already, as {taken[shape, method]!r}")
            taken[shape, method] = registration.path
    return found


def checked_registrations(registrations: Any) -> tuple[EndpointRegistration, ...]:
    """What a plugin registers, with its methods in upper case; raises ValueError for the first that is wrong."""
    if isinstance(registrations, str | bytes | Mapping) or not isinstance(registrations, Iterable):
        message = f"registrations are of type {type(registrations).__name__}, not a sequence"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for whatever a plugin says
    checked: list[EndpointRegistration] = []
    for registration in registrations:
        if len(checked) == MAX_REGISTRATIONS:
            message = f"more than {MAX_REGISTRATIONS} endpoints"
            raise ValueError(message)
        checked.append(_checked(registration))
    if problems := conflicts(checked):
        raise ValueError("; ".join(problems[:3]))
    return tuple(checked)


def _checked(registration: Any) -> EndpointRegistration:
    if not isinstance(registration, EndpointRegistration):
        message = f"a registration is of type {type(registration).__name__}, not EndpointRegistration"
        raise ValueError(message)  # noqa: TRY004 - as above
    parse_pattern(registration.path)
    scopes: Any = registration.scopes  # a struct does not check what it is made of
    if not isinstance(scopes, Sequence) or isinstance(scopes, str) or not all(isinstance(each, str) for each in scopes):
        message = f"scopes of {registration.path!r} are not a sequence of texts"
        raise ValueError(message)
    if scopes and not registration.require_auth:
        message = f"{registration.path!r} asks for scopes without require_auth: nobody would have any"
        raise ValueError(message)
    return msgspec.structs.replace(registration, methods=parse_methods(registration.methods), scopes=tuple(scopes))
