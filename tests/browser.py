"""A headless Chromium for tests of pages: one for a file of tests, a fresh context for each test.

Where Chromium is missing these tests skip and say what to install; under ``CI=true`` they fail.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, sync_playwright

from sluice.settings import environment

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MILLISECONDS = 10_000


def missing_chromium() -> str:
    """What to install; nothing where it is there."""
    found = Path(CHROMIUM).exists() or shutil.which("chromium")
    return "" if found else f"{CHROMIUM} is missing: apt-get install chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser; it asks nobody for anything by itself. Of one file of tests, none of which may be async: while its
    driver runs no other loop can in this thread."""
    if missing := missing_chromium():
        if environment().get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    path = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Watched:
    """A page, with everything that went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def _asked(self, dialog: Dialog) -> None:
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page of a context of its own: no cookie of another test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="UTC", locale="en-GB")
    yield Watched(context.new_page())
    context.close()
