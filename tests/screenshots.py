"""Screenshots of the console on the demo's data, for its README: ``python -m tests.screenshots``.

It starts a demo of its own in a temporary folder, waits for the history, and takes the pictures anew. With
``--all FOLDER`` it takes every page too, light, dark and narrow, to be looked at; with ``--paint`` it measures the time
to the first paint of each page, as Chromium reports it.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from sluice.clock import now_micros
from sluice.eventstore.dashboards.definitions import load_dashboards
from tests.browser import ARGUMENTS, CHROMIUM

FOLDER = Path(__file__).parents[1] / "gateway" / "console" / "screenshots"
MAX_BYTES = 150_000
OTHERS = ("live", "exchanges", "collectors", "gateways")
_PATIENCE_MILLISECONDS = 60_000
_LOOK_SECONDS = 2.0
_SETTLED = """() => document.querySelector("h1") && !document.querySelector(".skeleton")
  && !/Looking…|Connecting…/.test(document.body.innerText)"""
_FIRST_PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) done(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture."""

    name: str
    place: str
    """Behind ``#/``; ``{exchange}`` is one whose price is made of several classes."""
    theme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = (1440, 900)
    whole: bool = False
    """All of the page, however long."""


SHOTS = (
    Shot("overview", "overview?range=7d", size=(1200, 640)),
    Shot("spend", "spend?range=7d", size=(1200, 720)),
    Shot("exchange", "exchange/{exchange}", size=(1200, 760)),
    Shot("dark", "latency?range=7d", theme="dark", size=(1200, 620)),
)


@dataclass
class Demo:
    """One that runs."""

    address: str
    token: str
    exchange: str = ""

    def url(self, place: str) -> str:
        """A page's address."""
        return f"{self.address}/console/#/{place.format(exchange=self.exchange)}"


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """``sluice up --demo`` in a folder, with the whole history in its events database, until the end."""
    command = [sys.executable, "-m", "sluice", "up", "--demo", "--json"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            shown = json.loads(process.stdout.readline())
            token = (folder / ".sluice" / "demo" / "data" / "admin.token").read_text("ascii").strip()
            yield Demo(shown["address"], token)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def every_shot() -> list[Shot]:
    """Each page, in each way that people see it."""
    places = [f"{dashboard.name}?range=7d" for dashboard in load_dashboards()]
    places += [*(f"{name}?range=7d" for name in OTHERS), "exchange/{exchange}", "budget/7"]
    shots = []
    for place in places:
        name = place.partition("?")[0].partition("/")[0]
        light = Shot(name, place, whole=True)
        shots += [
            light,
            replace(light, name=f"{name}-dark", theme="dark"),
            replace(light, name=f"{name}-narrow", size=(390, 844)),
        ]
    return shots


def take(browser: Browser, demo: Demo, shots: Sequence[Shot], folder: Path) -> None:
    """All of them, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for shot in shots:
        page = _open(browser, demo, shot)
        page.goto(demo.url(shot.place))
        page.wait_for_function(_SETTLED)
        page.screenshot(path=folder / f"{shot.name}.png", full_page=shot.whole)
        page.context.close()
        print(f"{shot.name}: {(folder / f'{shot.name}.png').stat().st_size:,} bytes")


def _open(browser: Browser, demo: Demo, shot: Shot) -> Page:
    """Signed in, in a context of its own."""
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=shot.theme, timezone_id="UTC", locale="en-GB"
    )
    context.set_default_timeout(_PATIENCE_MILLISECONDS)
    page = context.new_page()
    page.goto(f"{demo.address}/console/")
    page.get_by_label("Control token").fill(demo.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("nav", state="attached")
    return page


def wait_for_history(browser: Browser, demo: Demo) -> None:
    """Until there are no more exchanges than a moment ago: collectors have written what there was."""
    page = _open(browser, demo, SHOTS[0])
    before, count = -1, 0
    while count == 0 or count != before:
        time.sleep(_LOOK_SECONDS)
        answer = _ask(page, demo, "dashboards/overview/panels/requests", {})
        before, count = count, int(answer["total"][0] or 0)
    where = {"where": json.dumps([["model_name", "is", ["claude-sonnet-4-5"]], ["outcome", "is", ["ok"]]])}
    demo.exchange = _ask(page, demo, "exchanges", where)["exchanges"][0]["exchange_id"]
    page.context.close()


def _ask(page: Page, demo: Demo, path: str, query: dict[str, str]) -> dict[str, Any]:
    """What the console's pages ask, of the last 20 days."""
    now = now_micros()
    asked: dict[str, str | float | bool] = {
        "start": str(now - 20 * 86_400_000_000),
        "end": str(now),
        "zone": "UTC",
        **query,
    }
    answer: dict[str, Any] = page.request.get(f"{demo.address}/console/api/{path}", params=asked).json()
    return answer


def measure_paints(browser: Browser, demo: Demo) -> None:
    """Each page opened anew by its address, signed in: when Chromium painted its first content, when all was there."""
    for shot in every_shot():
        if shot.theme == "dark" or shot.size[0] < 1000:
            continue
        page = _open(browser, demo, shot)
        page.goto("about:blank")
        page.goto(demo.url(shot.place))
        paint = page.evaluate(_FIRST_PAINT)
        page.wait_for_function(_SETTLED)
        print(f"{shot.name}: first paint {paint:.0f} ms, all figures {page.evaluate('performance.now()'):.0f} ms")
        page.context.close()


def main() -> int:
    """1 where a picture is larger than a README should load."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, light, dark and narrow, into a folder")
    parser.add_argument("--paint", action="store_true", help="measure the first paint of every page")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="sluice-screenshots-") as folder,
        running_demo(Path(folder)) as demo,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        wait_for_history(browser, demo)
        if asked.paint:
            measure_paints(browser, demo)
        if asked.all:
            take(browser, demo, every_shot(), asked.all)
        if not (asked.paint or asked.all):
            take(browser, demo, SHOTS, FOLDER)
        browser.close()
    large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > MAX_BYTES]
    for name in large:
        print(f"{name} is larger than {MAX_BYTES:,} bytes: make its Shot smaller", file=sys.stderr)
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main())
