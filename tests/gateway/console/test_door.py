"""Who may look, and who may change something."""

from __future__ import annotations

from gateway.console.door import WRITE_HEADER
from gateway.console.sessions import COOKIE
from sluice.clock import now_micros
from tests.gateway.console.running import ADMIN_TOKEN, API_TOKEN, BASE, READ_TOKEN, Console
from tests.gateway.control.made import ADMIN

PAGES = (
    "dashboards", "dashboards/overview/panels/requests", "choices/vendor", "exchanges", "exchanges/x", "live",
    "budgets", "budgets/1", "plugins", "collectors", "gateways",
)  # fmt: skip


async def test_nobody_sees_anything_without_a_sign_in(console: Console) -> None:
    """Each page's question is refused: without a cookie, with garbage in it, and with the token itself in it."""
    async with console.client("") as client:
        for value in ("", "garbage", ADMIN_TOKEN):
            for page in PAGES:
                answer = await client.get(page, headers={"cookie": f"{COOKIE}={value}"} if value else {})
                assert (answer.status_code, answer.json()["code"]) == (401, "signed_out"), page
        bearer = await client.get("budgets", headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
        assert bearer.status_code == 401


async def test_a_revoked_token_is_signed_out_at_the_next_request(console: Console) -> None:
    """Nothing is kept that outlives the token."""
    text, token_id = await console.token("console.read")
    async with console.client(text) as client:
        assert (await client.get("budgets")).status_code == 200
        await console.revoke(token_id)
        assert (await client.get("budgets")).status_code == 401


async def test_an_expired_token_is_signed_out(console: Console) -> None:
    """At the moment that it expires, with a word for it; signing in with it again is refused."""
    text, token_id = await console.token("admin")
    async with console.client(text) as client:
        assert (await client.get("plugins")).status_code == 200
        await console.services.store.tokens.update(token_id, {"expires_at": now_micros() - 1}, ADMIN)
        await console.services.refresh()
        answer = await client.get("plugins")
        assert (answer.status_code, answer.json()["code"]) == (401, "signed_out")
        assert (await client.post("session", json={"token": text})).status_code == 401


async def test_who_looks_only_changes_nothing(console: Console) -> None:
    """Of scope console.read: every write is refused, with what it needs; reading goes on."""
    async with console.client(READ_TOKEN) as client:
        for path in ("plugins/1/reload", "collectors/0/services/x/pause"):
            answer = await client.post(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "read_only")
        assert (await client.get("plugins")).status_code == 200


async def test_a_token_that_calls_llms_does_not_look(console: Console) -> None:
    """Scope api is for exchanges alone."""
    async with console.client("") as client:
        answer = await client.post("session", json={"token": API_TOKEN})
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert COOKIE not in answer.cookies


FOREIGN = (
    {WRITE_HEADER: ""},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)


async def test_no_other_site_changes_anything(console: Console) -> None:
    """Without the header, of another origin, or sent by another site: refused, though the cookie is right."""
    asked = (
        ("POST", "plugins/1/reload", None),
        ("POST", "session", {"token": ADMIN_TOKEN}),
        ("DELETE", "session", None),
    )
    async with console.client() as client:
        for headers in FOREIGN:
            for method, path, body in asked:
                answer = await client.request(method, path, headers=headers, json=body)
                assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), (path, headers)
        own = await client.post("plugins/1/reload", headers={"origin": BASE, "sec-fetch-site": "same-origin"})
        assert own.status_code == 200


async def test_guesses_are_limited_and_the_right_token_is_not(console: Console) -> None:
    """After twenty wrong tokens of a network more are refused with the time to wait; the right one is let in."""
    async with console.client("") as client:
        codes = [(await client.post("session", json={"token": f"guess-{number}"})).status_code for number in range(25)]
        assert codes[:20] == [401] * 20
        assert 429 in codes[20:]
        assert (await client.post("session", json={"token": ADMIN_TOKEN})).status_code == 200
