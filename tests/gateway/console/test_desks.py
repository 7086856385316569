"""Dead letters and redrives, passed on to the desk of a collector: who may, and what is shown to whom."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from gateway.console import desks
from gateway.console.collectors import Collectors
from gateway.console.door import WRITE_HEADER, Visitor
from gateway.control.api.services import Identity
from tests.gateway.console.running import Console

LETTER = {
    "id": "collectors/store/0/7", "headers": {"ce_id": "x-p"}, "dead_letter": {"error.type": "row_refused"},
    "event": {"path": "/chat", "request_body": "a secret", "response_headers": ["x: y"], "raw_usage": "{}"},
    "value_base64": "AAAA",
}  # fmt: skip


class Desk:
    """Of one collector; it notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.url.raw_path.decode(), orjson.loads(request.content or b"null")))
        if "one" in request.url.path:
            return httpx.Response(200, json={"letter": LETTER})
        return httpx.Response(200, json={"counts": [], "letters": [], "job": "redrive-1"})


@pytest.fixture
def desk(console: Console) -> Desk:
    """The one that the console asks."""
    desk = Desk()
    collectors = Collectors(["http://a:1"], "secret", httpx.MockTransport(desk.answer))
    object.__setattr__(console.parts, "collectors", collectors)
    return desk


async def test_only_admins_give_letters_back(desk: Desk, admin: httpx.AsyncClient, reader: httpx.AsyncClient) -> None:
    """Neither a dry run nor a redrive nor a cancel of a reader's reaches the desk; an admin's names who it was."""
    for path in ("collectors/0/redrives", "collectors/0/redrives/x/cancel"):
        assert (await reader.post(path, json={"dry_run": True})).status_code == 403
    assert desk.asked == []
    given = {"collector": "store", "reason": "row_refused", "dry_run": False}
    assert (await admin.post("collectors/0/redrives", json=given)).json()["job"] == "redrive-1"
    (path, body), *_ = desk.asked
    assert (path, body["collector"], body["dry_run"]) == ("/desk/redrives", "store", False)
    assert body["by"].startswith("ops (")


async def test_it_is_a_dry_run_unless_it_is_said_otherwise(desk: Desk, admin: httpx.AsyncClient) -> None:
    """A body that says nothing must give nothing back; one that says what there is not is refused."""
    await admin.post("collectors/0/redrives", json={})
    assert desk.asked[0][1]["dry_run"] is True
    for body in ({"dry_run": "perhaps"}, {"job": "x"}, {"collector": "x" * 500}, [1]):
        assert (await admin.post("collectors/0/redrives", json=body)).status_code in {400, 422}
    assert len(desk.asked) == 1


async def test_another_site_begins_nothing(desk: Desk, admin: httpx.AsyncClient) -> None:
    """As with every other change: without our header, or from another origin, it is refused."""
    del admin.headers[WRITE_HEADER]
    assert (await admin.post("collectors/0/redrives", json={"dry_run": False})).status_code == 403
    admin.headers[WRITE_HEADER] = "1"
    origin = {"origin": "https://evil.example"}
    assert (await admin.post("collectors/0/redrives", json={}, headers=origin)).status_code == 403
    assert desk.asked == []


async def test_bodies_of_a_letter_are_for_admins(
    desk: Desk, admin: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    """A reader sees why it is one and what it was, without bodies, headers, and bytes that nobody could decode."""
    path = "collectors/0/dead-letters/one?id=collectors/store/0/7"
    whole, part = (await admin.get(path)).json(), (await reader.get(path)).json()
    assert (whole["letter"], whole["shows_bodies"]) == (LETTER, True)
    assert (part["letter"]["event"], part["shows_bodies"]) == ({"path": "/chat"}, False)
    assert part["letter"]["dead_letter"] == LETTER["dead_letter"]
    assert "value_base64" not in part["letter"]


async def test_what_is_asked_for_cannot_leave_its_place(desk: Desk, admin: httpx.AsyncClient) -> None:
    """In a path, in a query: it arrives as a value."""
    await admin.get("collectors/0/dead-letters/list", params={"collector": "a&reason=b#c"})
    await admin.post("collectors/0/redrives/redrive-1/cancel", json={})
    await admin.get("collectors/0/dead-letters/one", params={"id": "a/0/1&x=y"})
    paths = [path for path, _ in desk.asked]
    assert paths[0] == "/desk/dead-letters/list?collector=a%26reason%3Db%23c&reason=&kind="
    assert paths[1:] == ["/desk/redrives/redrive-1/cancel", "/desk/dead-letters/one?id=a%2F0%2F1%26x%3Dy"]


async def test_counts_and_a_collector_that_is_away(desk: Desk, console: Console, reader: httpx.AsyncClient) -> None:
    """Readers may look; who is not there is named, with the setting."""
    assert (await reader.get("collectors/0/dead-letters")).json()["counts"] == []
    assert (await reader.get("collectors/9/dead-letters")).status_code == 404

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    object.__setattr__(console.parts, "collectors", Collectors(["http://a:1"], "", httpx.MockTransport(away)))
    answer = await reader.get("collectors/0/dead-letters")
    assert (answer.status_code, answer.json()["code"]) == (502, "collector_away")
    assert "console.collectors" in answer.json()["message"]


@pytest.mark.parametrize("job", ["%2e%2e", "-x", "a%0ab", "x" * 100])
async def test_what_is_no_name_of_a_job_is_not_asked_for(desk: Desk, admin: httpx.AsyncClient, job: str) -> None:
    """Nothing of it becomes another path of the desk's."""
    answer = await admin.post(f"collectors/0/redrives/{job}/cancel")
    assert answer.status_code in {400, 404, 405, 422}
    assert desk.asked == []


def test_whatever_a_token_is_called_it_may_cancel() -> None:
    """A desk takes printable names of 400 characters: a longer one, or one of two lines, is made to fit."""
    identity = Identity(token_id=1, app_id=1, name="a\nb" * 200, prefix="slc", scopes=("admin",))
    name = desks._name_of(Visitor(identity, "admin"))
    assert (len(name), name[:6], name.isprintable()) == (400, "a?ba?b", True)
