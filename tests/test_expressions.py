"""Regular expressions are those that every Python we run on understands alike."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "sluice", "gateway", "collectors")
POSSESSIVE_GROUP = re.compile(r"(?<![\\(])\)(?:[*+?]|\{\d*,?\d*\})\+")


def constants(path: Path) -> list[str]:
    """Every text of a file."""
    found = [node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)]
    return [str(value) for value in found if isinstance(value, str | bytes)]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_group_is_repeated_possessively(package: str) -> None:
    """CPython before 3.11.5 (Debian 12 has 3.11.2) then goes on from where a failed repetition stopped (gh-106052): an
    address at the end of a sentence was not found, and stayed in what was to be redacted. ``(?>(?:…)*)`` is right."""
    wrong = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in constants(path)
        if POSSESSIVE_GROUP.search(text)
    }
    assert wrong == set()


@pytest.mark.parametrize("text", ["(?:a|b)*+", "(a)++c", "(?:a){1,3}+", "(?:a)?+$"])
def test_such_a_group_is_found(text: str) -> None:
    """In each of its forms."""
    assert POSSESSIVE_GROUP.search(text)
