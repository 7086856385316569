"""Streams as they are kept: what a vendor cut into pieces is put together again before rules see it.

A stream is read line by line: SSE's ``data:``, or an object a line; or as an array of objects, as Google has it. The
texts at one place of these objects (of one index, where objects in it have one) are one running text, whoever the
vendor is. Where rules find something in a running text, all of it that is left stands in the first of its pieces and
the others are empty; what nothing was found in stays byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sluice.privacy.texts import without_tail

_FIELD: Final = re.compile(r"\ufeff?\s*+(?:data:\s*+)?")
"""What may stand before an object."""
_LINE: Final = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n|\Z)")
_GAP: Final = re.compile(r"[\s,\[]*+")
_FIRST_OBJECT: Final = re.compile(r"\s*\[\s*\{")
_INDICES: Final = ("index", "output_index", "content_index", "thought")
_SAYS_WHAT: Final = frozenset(
    ("id", "model", "object", "role", "type", "event", "finish_reason", "finishReason", "stop_reason", "created_at")
)
_DECODER: Final = json.JSONDecoder()

Redact = Callable[[str], str]
Path = tuple[Any, ...]


@dataclass(slots=True)
class _Piece:
    """A part of a stream: what stands before its object, the object as text, as read, and whether it was changed."""

    head: str
    text: str
    value: Any
    end: str
    is_changed: bool = False

    def written(self) -> str:
        text = json.dumps(self.value, separators=(",", ":")) if self.is_changed else self.text
        return f"{self.head}{text}{self.end}"


@dataclass(slots=True)
class _Leaf:
    piece: _Piece
    holder: Any
    key: Any


def redact_stream(text: str, redact: Redact, *, is_cut: bool) -> str:
    """A kept stream without what is found in its running texts; single texts are left to be redacted.

    Of one that was cut the last words of each running text are gone: they may be the first half of a secret.
    """
    pieces = list(_array(text) if _FIRST_OBJECT.match(text) else _lines(text))
    if is_cut and pieces and pieces[-1].value is None and pieces[-1].text:
        pieces.pop()  # half an object: its texts cannot be told
    running: dict[Path, list[_Leaf]] = {}
    for piece in pieces:
        for path, holder, key in _leaves(piece.value):
            running.setdefault(path, []).append(_Leaf(piece, holder, key))
    for leaves in running.values():
        if len(leaves) > 1 or is_cut:
            _rewrite(leaves, redact, is_cut=is_cut)
    return "".join([piece.written() for piece in pieces])


def _rewrite(leaves: list[_Leaf], redact: Redact, *, is_cut: bool) -> None:
    joined = "".join([leaf.holder[leaf.key] for leaf in leaves])
    written = redact(without_tail(joined) if is_cut else joined)
    if written == joined:
        return
    for leaf in leaves:
        leaf.holder[leaf.key], written = written, ""
        leaf.piece.is_changed = True


def _lines(text: str) -> Iterator[_Piece]:
    for line in filter(None, _LINE.findall(text)):
        plain = line.rstrip("\r\n")
        field = _FIELD.match(plain)
        begins = field.end() if field else 0
        if plain[begins : begins + 1] != "{":
            yield _Piece(line, "", None, "")
            continue
        yield _Piece(plain[:begins], plain[begins:], _object(plain[begins:]), line[len(plain) :])


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _array(text: str) -> Iterator[_Piece]:
    at = 0
    while at < len(text):
        gap = _GAP.match(text, at)
        begins = gap.end() if gap else at
        try:
            value, ends = _DECODER.raw_decode(text, begins)
        except (ValueError, RecursionError):
            yield _Piece(text[at:begins], text[begins:] if text[begins:].strip("] \r\n") else "", None, "")
            if not text[begins:].strip("] \r\n"):
                yield _Piece(text[begins:], "", None, "")
            return
        yield _Piece(text[at:begins], text[begins:ends], value, "")
        at = ends


def _leaves(value: Any) -> Iterator[tuple[Path, Any, Any]]:
    """Each text of an object, by its place."""
    if not isinstance(value, dict):
        return
    waiting: list[tuple[Path, Any]] = [((str(value.get("type")),), value)]
    while waiting:
        path, holder = waiting.pop()
        if isinstance(holder, dict):
            path = (*path, *[str(holder.get(name)) for name in _INDICES])
            items: list[tuple[Any, Any]] = list(holder.items())
        else:
            items = [(_place(at, item), item) for at, item in enumerate(holder)]
        for key, item in items:
            if isinstance(item, dict | list):
                waiting.append(((*path, key), item))
            elif isinstance(item, str) and not _says_what(key):
                yield (*path, key), holder, key if isinstance(holder, dict) else key[1]


def _place(at: int, item: Any) -> Any:
    """Of an object with an index its index says which it is, wherever it stands."""
    return ("index",) if isinstance(item, dict) and "index" in item else ("at", at)


def _says_what(key: Any) -> bool:
    return isinstance(key, str) and (key in _SAYS_WHAT or key.endswith("_id"))
