"""The fenced code blocks of every document of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("collectors", "deploy", "gateway", "schemas", "sluice", "tests")
_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")


@dataclass(frozen=True, slots=True)
class Block:
    """One block, as it stands."""

    document: str
    """Its file below the root."""
    line: int
    """Of its fence, from 1."""
    language: str
    """The first word behind the fence; empty is output."""
    name: str
    """What stands behind the language: the file that readers are to make of it; or empty."""
    text: str

    def __str__(self) -> str:
        """Where an editor finds it."""
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """Every Markdown file, whether it is committed yet or not."""
    found = [*ROOT.glob("*.md")]
    for folder in FOLDERS:
        found += (ROOT / folder).rglob("*.md")
    return sorted(found)


def blocks_of(text: str, document: str = "README.md") -> Iterator[Block]:
    """The blocks of a text; ValueError where one is opened and never closed."""
    opened: re.Match[str] | None = None
    start, inside = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        match = _FENCE.fullmatch(line.rstrip())
        if opened is None:
            opened, start, inside = match, number, []
        elif match and not match["info"].strip() and match["fence"].startswith(opened["fence"]):
            language, _, name = opened["info"].strip().partition(" ")
            yield Block(document, start, language, name.strip(), _without_indent(inside, len(opened["indent"])))
            opened = None
        else:
            inside.append(line)
    if opened is not None:
        message = f"{document}:{start}: the block is never closed; end it with {opened['fence']}"
        raise ValueError(message)


def _without_indent(lines: list[str], indent: int) -> str:
    """Of a block in a list, what it would be at the margin."""
    return "".join(f"{line[min(indent, len(line) - len(line.lstrip(' '))) :]}\n" for line in lines)


def every_block() -> list[Block]:
    """Of all documents, in the order of their names."""
    return [
        block for path in documents() for block in blocks_of(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    ]
