"""The console in a real browser: every page, its figures, its manners; no error in any of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from gateway.console.door import WRITE_HEADER
from gateway.control.event_store import EVENTS_DATABASE
from sluice.clock import now_micros
from sluice.eventstore.dashboards.definitions import load_dashboards
from tests.browser import Watched
from tests.collectors.operations.desk.serving import served_desk
from tests.gateway.console.running import ADMIN_TOKEN, READ_TOKEN, Ledger, served, spread

EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
DESK_TOKEN = "of-the-collectors"
OTHERS = ("live", "exchanges", "collectors", "gateways")
FIRST_PAINT_MILLISECONDS = 1000
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """A day's exchanges, one of them full of markup."""
    ledger = spread(Ledger(), 400, 20)
    given = {"model_name": EVIL, "error_message": EVIL, "outcome": "upstream_error", "labels": [f"team:{EVIL}"]}
    body = f'{{"prompt": "{EVIL}"}}'.encode()
    ledger.add(9000, now_micros() - 3_000_000, request_body=body, path=f"/{EVIL}", error_kind=EVIL, **given)
    return ledger


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Iterator[str]:
    """The console over them, and a collectors process with letters that nobody could write."""
    folder = tmp_path_factory.mktemp("console")
    data_dir = folder / "data"
    data_dir.mkdir()
    with served_desk(data_dir, DESK_TOKEN, f"sqlite:///{data_dir / EVENTS_DATABASE}") as desk:
        collectors = {"collectors": [desk], "collectors_token": DESK_TOKEN}
        with served(folder, ledger.events, console=collectors) as url:
            yield f"{url}/console/"


def sign_in(page: Page, address: str, token: str) -> None:
    """As people do."""
    page.goto(address)
    page.get_by_label("Control token").fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def enter(page: Page, address: str, place: str = "") -> None:
    """Signed in as admin beforehand, at a page."""
    answer = page.request.post(f"{address}api/session", data={"token": ADMIN_TOKEN}, headers={WRITE_HEADER: "1"})
    assert answer.ok
    page.goto(f"{address}{place}")
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


def settled(page: Page) -> None:
    """Until everything that was asked for is there."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


def test_every_page_shows_itself_without_an_error(watched: Watched, address: str) -> None:
    """Each dashboard with all its panels, and each other page: no error in the console, no problem, no dead link."""
    page = watched.page
    enter(page, address)
    for dashboard in load_dashboards():
        page.goto(f"{address}#/{dashboard.name}")
        expect(page.locator("h1")).to_have_text(dashboard.title)
        settled(page)
        for panel in dashboard.panels:
            expect(page.get_by_role("region", name=panel.title, exact=True).first).to_be_visible()
        expect(page.locator(".problem")).to_have_count(0)
    for name in OTHERS:
        page.goto(f"{address}#/{name}")
        settled(page)
        expect(page.get_by_text("There is no such page")).to_have_count(0)
        expect(page.locator(".problem")).to_have_count(0)
    reports = page.get_by_role("region", name="What workers report")  # the last of them is the gateways' page
    expect(reports.locator("tbody tr").first).to_contain_text("proxy log 12")
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert links.count() == len(load_dashboards()) + len(OTHERS)
    assert watched.errors == []


def test_figures_equal_the_ledger(watched: Watched, address: str, ledger: Ledger) -> None:
    """Requests and money on the overview, to the nano; each model in its table; the rows of the search."""
    page = watched.page
    enter(page, address)
    settled(page)
    requests = page.get_by_role("region", name="Requests", exact=True).locator(".value")
    expect(requests).to_have_text(f"{ledger.requests:,}")
    spend = page.get_by_role("region", name="Spend", exact=True).locator(".value")
    expect(spend).to_have_text(f"${ledger.nanos / 1e9:,.2f}")
    whole, rest = divmod(ledger.nanos, 10**9)
    assert spend.get_attribute("title") == f"{whole}.{f'{rest:09}'.rstrip('0')} USD"
    rows = page.get_by_role("region", name="Models", exact=True).locator("tbody tr").all_inner_texts()
    shown = {row.split("\t")[1].strip(): row.split("\t")[2].strip() for row in rows}
    assert shown == {model: f"{count:,}" for model, count in ledger.by_model.items()}
    assert watched.errors == []


def test_markup_stays_text(watched: Watched, address: str, ledger: Ledger) -> None:
    """In a model's name, a path, labels, errors and prompts: nothing of it becomes an element or runs."""
    page = watched.page
    enter(page, address)
    for place in ("overview", "live", "exchanges", f"exchange/{ledger.ids[-1]}"):
        page.goto(f"{address}#/{place}")
        settled(page)
        expect(page.get_by_text(EVIL).first).to_be_visible()
        assert page.locator("img").count() == 0
        assert page.locator("body script").count() == 0
    page.goto(f"{address}#/overview?where={quote(json.dumps([['vendor', 'is', [EVIL]]]))}")
    expect(page.locator(".chip")).to_contain_text(EVIL)
    assert watched.errors == []


def test_one_exchange_leads_from_the_live_page(watched: Watched, address: str, ledger: Ledger) -> None:
    """The newest stands on top; a click shows its timeline, its price and its events."""
    page = watched.page
    enter(page, address, "#/live")
    expect(page.get_by_role("status")).to_have_text("live")
    page.locator("tbody tr a").first.click()
    expect(page).to_have_url(re.compile(ledger.ids[-1]))
    expect(page.get_by_role("region", name="What happened when").locator("li")).to_have_count(3)
    recorded = page.get_by_role("region", name="What was recorded")
    expect(recorded.get_by_text("written", exact=True)).to_have_count(3)
    expect(recorded.get_by_role("row", name="rows").get_by_text("there", exact=True)).to_have_count(3)
    assert watched.errors == []


def test_dead_letters_are_looked_at_counted_and_given_back(watched: Watched, address: str) -> None:
    """Only when asked: how many and why, one of them as text, what a redrive would do before it is begun; then the job
    is seen, and cancelled."""
    page = watched.page
    enter(page, address, "#/collectors")
    letters, jobs = (page.get_by_role("region", name=name) for name in ("Dead letters", "Jobs"))
    letters.get_by_role("button", name="Look at them").click()
    expect(letters.locator("tbody tr").first).to_contain_text("5row refusedstore")
    letters.locator("details > summary").first.click()
    letters.get_by_role("button", name="Show letters").first.click()
    letters.get_by_role("button", name="collectors/store/0/7").click()
    expect(letters.get_by_role("group", name="Letter")).to_contain_text("error.reason: <img src=x>")
    assert page.locator("img").count() == 0
    letters.get_by_role("button", name="Give back row_refused of store").click()
    expect(letters.get_by_role("button", name="Give back 5")).to_have_count(0)
    letters.get_by_role("button", name="Count first").click()
    letters.get_by_role("button", name="Give back 5").click()
    expect(letters.get_by_text("begun", exact=True)).to_be_visible()
    expect(jobs.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40", timeout=30_000)
    expect(jobs.locator("li").first).to_contain_text("read 2matched 5written 21.5 a second12 s left")
    jobs.get_by_role("button", name="Cancel redrive").click(timeout=30_000)
    expect(jobs.locator("li").first).to_contain_text("broken off", timeout=30_000)
    assert watched.errors == []


def test_a_slow_collector_stops_no_clock(watched: Watched, address: str) -> None:
    """A page that asks each second shows what takes longer than that all the same: one answer after the other."""
    page = watched.page
    done = iter(range(1, 100))

    def answer(route: Route) -> None:
        page.wait_for_timeout(1_300)
        job = {"job": "january", "state": "running", "done": next(done), "total": 100, "seconds_left": None}
        collector = {"url": "http://a", "problem": "", "services": [], "jobs": [job], "jobs_problem": ""}
        route.fulfill(json={"is_configured": True, "collectors": [collector]})

    page.route("**/api/collectors", answer)
    enter(page, address, "#/collectors")
    for part in (1, 2, 3):
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(part), timeout=30_000)
    page.unroute("**/api/collectors")


def test_a_range_that_goes_on_says_what_it_will_come_to(watched: Watched, address: str) -> None:
    """Spend so far, what it will be at the end of the range, and beside the period before; a month is a whole one."""
    page = watched.page
    now = now_micros()
    enter(page, address, f"#/spend?start={now - 3 * DAY}&end={now + 2 * DAY}")
    spend = page.get_by_role("region", name="Spend", exact=True)
    expect(spend).to_contain_text("Ahead:")
    expect(
        page.get_by_role("region", name="Apps", exact=True).get_by_role("columnheader", name="Before")
    ).to_be_visible()
    by_day = page.get_by_role("region", name="Spend by day")
    by_day.get_by_label("Split Spend by day by").select_option("app_id")
    expect(by_day.locator(".legend")).to_contain_text("checkout")
    with page.expect_request(lambda request: "/panels/cost?" in request.url) as asked:
        page.get_by_role("button", name="Month").click()
    end = int(re.search(r"end=(\d+)", asked.value.url)[1])  # type: ignore[index]
    assert end > now
    settled(page)
    assert watched.errors == []


def test_filters_are_links(watched: Watched, address: str, ledger: Ledger) -> None:
    """A click on a model narrows the page and its address; taking the chip away widens it again."""
    page = watched.page
    enter(page, address)
    model = max(ledger.by_model, key=lambda name: ledger.by_model[name])
    page.get_by_role("region", name="Models", exact=True).get_by_role("button", name=model, exact=True).click()
    requests = page.get_by_role("region", name="Requests", exact=True).locator(".value")
    expect(requests).to_have_text(f"{ledger.by_model[model]:,}")
    page.reload()
    expect(requests).to_have_text(f"{ledger.by_model[model]:,}")
    page.get_by_role("button", name="Remove the filter on model name").click()
    expect(requests).to_have_text(f"{ledger.requests:,}")
    assert watched.errors == []


def test_who_looks_only_is_told_what_they_do_not_see(watched: Watched, address: str, ledger: Ledger) -> None:
    """No reload, no bodies, and a word for it; a wrong token says so, and signing out ends at the sign-in."""
    page = watched.page
    page.goto(address)
    page.get_by_label("Control token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
    sign_in(page, address, READ_TOKEN)
    page.goto(f"{address}#/plugins")
    settled(page)
    expect(page.get_by_role("button", name="Load firewall anew")).to_have_count(0)
    page.goto(f"{address}#/collectors")
    page.get_by_role("button", name="Look at them").click()
    expect(page.get_by_role("region", name="Dead letters").locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("Give back"))).to_have_count(0)
    page.goto(f"{address}#/exchange/{ledger.ids[5]}")
    expect(page.get_by_text("Bodies and headers are shown to admins alone")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Control token")).to_be_visible()
    assert watched.errors == ["Failed to load resource: the server responded with a status of 401 (Unauthorized)"]


def test_keyboard_themes_and_narrow_screens(watched: Watched, address: str) -> None:
    """The first stop of the keyboard skips to the page, every stop is seen; the theme is kept; nothing runs out of a
    telephone's width."""
    page = watched.page
    enter(page, address)
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.get_by_role("button", name="Dark theme").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("overview", "exchanges", "budgets", "plugins"):
        page.goto(f"{address}#/{name}")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    assert watched.errors == []


def test_the_first_paint_is_soon(watched: Watched, address: str) -> None:
    """Within a second, of files that are small."""
    page = watched.page
    enter(page, address)
    settled(page)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint <= FIRST_PAINT_MILLISECONDS
    sizes = page.evaluate("performance.getEntriesByType('resource').map((each) => each.encodedBodySize)")
    assert sum(sizes) < 1_500_000


def test_a_store_that_is_away_is_said_on_each_page(watched: Watched, tmp_path: Path) -> None:
    """What is wrong and what still works; budgets and plugins are there all the same."""
    page = watched.page
    with served(tmp_path, control={"events": {"elasticsearch_url": "http://127.0.0.1:1"}}) as url:
        enter(page, f"{url}/console/")
        for name in ("overview", "exchanges", "live", "gateways"):
            page.goto(f"{url}/console/#/{name}")
            expect(page.get_by_role("alert").first).to_be_visible()
        page.goto(f"{url}/console/#/budgets")
        expect(page.get_by_role("region", name="Now")).to_contain_text("checkout")
        page.goto(f"{url}/console/#/plugins")
        expect(page.get_by_role("region", name="firewall")).to_contain_text("ready")
    assert {error for error in watched.errors if "503" not in error and "event-stream" not in error} == set()
