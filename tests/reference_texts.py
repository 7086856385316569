"""The references of settings and events, kept beside the packages; ``make references`` renews them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.documents.blocks import ROOT
from tests.documents.events_page import events_page
from tests.documents.settings_pages import collector_page, gateway_page

COMMAND = "make references"
PAGES: dict[str, Callable[[], str]] = {
    "gateway/SETTINGS.md": gateway_page,
    "collectors/SETTINGS.md": collector_page,
    "schemas/EVENTS.md": events_page,
}
"""File below the root → what makes its text."""


def write(root: Path = ROOT) -> None:
    """Renew all of them."""
    for name, text in PAGES.items():
        (root / name).write_text(text(), "utf-8")


if __name__ == "__main__":
    write()
