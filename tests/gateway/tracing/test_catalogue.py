"""The catalogue of spans and attributes, and the README that shows it."""

from __future__ import annotations

from pathlib import Path

import gateway.tracing
from gateway.tracing.catalogue import ATTRIBUTES, RESOURCE, SPANS, table

README = Path(gateway.tracing.__file__).with_name("README.md")


def test_the_readme_shows_the_catalogue() -> None:
    """As it is generated, whole: ``python -m gateway.tracing.catalogue`` prints it."""
    shown = README.read_text().partition("<!-- catalogue -->\n")[2].partition("<!-- end of catalogue -->")[0]
    assert shown == "\n".join(table()) + "\n"


def test_entries_are_whole() -> None:
    """Each name once, each meaning a sentence, each attribute on spans that there are."""
    names = [each.name for each in (*ATTRIBUTES, *RESOURCE)]
    assert len(set(names)) == len(names)
    keys = {span.key for span in SPANS}
    assert len(keys) == len(SPANS)
    for each in ATTRIBUTES:
        assert set(each.spans) <= keys
    assert all(each.meaning.endswith(".") for each in (*SPANS, *ATTRIBUTES, *RESOURCE))
