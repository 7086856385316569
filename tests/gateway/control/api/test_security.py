"""Who may manage: scope, life, address; failures are bounded, and lock nobody out."""

from __future__ import annotations

import pytest

from gateway.control.api.security import FailedAttempts
from gateway.control.entities import Actor
from gateway.control.store import ControlStore
from gateway.settings import GatewaySettings
from sluice.clock import now_micros
from tests.gateway.control.api.harness import ADMIN, Api, bearer, open_api

EVERY_ROUTE = [
    ("GET", "/llms"),
    ("POST", "/llms"),
    ("PUT", "/llms/1"),
    ("DELETE", "/llms/1"),
    ("GET", "/apps"),
    ("POST", "/tokens"),
    ("POST", "/auth/token"),
    ("GET", "/audit"),
    ("GET", "/budgets"),
    ("POST", "/plugins/1/test"),
    ("GET", "/analytics/events"),
    ("POST", "/system/reload"),
    ("GET", "/openapi.json"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_nothing_is_open(api: Api, method: str, path: str) -> None:
    """401 without a token, 403 with one that calls LLMs, before a body or a parameter is looked at."""
    api_token = (await api.token(1, scopes=["api"]))["token"]
    for headers, status, code in (
        ({"authorization": ""}, 401, "missing_token"),
        ({"authorization": f"Basic {ADMIN}"}, 401, "missing_token"),
        ({"authorization": f"Bearer {ADMIN}x"}, 401, "invalid_token"),
        (bearer("x" * 10_000), 401, "invalid_token"),
        (bearer(api_token), 403, "insufficient_scope"),
    ):
        answer = await api.client.request(method, f"/api/v1{path}?nonsense=1", content=b"{", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("scopes", [["admin"], ["*"], ["admin", "api"]])
async def test_an_admin_s_token_manages(api: Api, scopes: list[str]) -> None:
    """The scheme's case does not matter."""
    token = (await api.token(1, scopes=scopes))["token"]
    await api.get("/llms", headers={"authorization": f"bEaReR  {token} "})


async def test_an_inactive_app_or_token_manages_nothing(api: Api) -> None:
    """From the next request on."""
    app = await api.app()
    made = await api.token(app["id"], scopes=["admin"])
    await api.get("/llms", headers=bearer(made["token"]))
    await api.put(f"/apps/{app['id']}", {"is_active": False})
    await api.get("/llms", 401, headers=bearer(made["token"]))
    await api.put(f"/apps/{app['id']}", {"is_active": True})
    await api.store.tokens.update(made["id"], {"is_active": False}, Actor("command"))
    await api.snapshots.refresh()
    await api.get("/llms", 401, headers=bearer(made["token"]))


async def test_an_expired_token_manages_nothing(api: Api) -> None:
    """The moment it is past."""
    made = await api.token(1, scopes=["admin"])
    await api.store.tokens.update(made["id"], {"expires_at": now_micros()}, Actor("command"))
    await api.snapshots.refresh()
    await api.get("/llms", 401, headers=bearer(made["token"]))


async def test_an_app_s_addresses_hold_here_too(api: Api) -> None:
    """403 from elsewhere; what a client claims of its address is believed of trusted proxies alone."""
    app = await api.app(allowed_ips=["198.51.100.0/24"])
    token = (await api.token(app["id"], scopes=["admin"]))["token"]
    claims = {**bearer(token), "x-forwarded-for": "198.51.100.9"}
    for headers in (bearer(token), claims):
        assert (await api.get("/llms", 403, headers=headers))["code"] == "address_denied"
    await api.put(f"/apps/{app['id']}", {"allowed_ips": ["203.0.113.0/24"]})
    await api.get("/llms", headers=bearer(token))


async def test_a_trusted_proxy_says_who_the_client_is(store: ControlStore) -> None:
    """The last address that is no proxy of ours."""
    async with open_api(store, gateway=GatewaySettings(trusted_proxies=("203.0.113.7",))) as api:
        app = await api.app(allowed_ips=["198.51.100.9"])
        token = (await api.token(app["id"], scopes=["admin"]))["token"]
        await api.get("/llms", headers={**bearer(token), "x-forwarded-for": "10.0.0.1, 198.51.100.9"})
        await api.get("/llms", 403, headers={**bearer(token), "x-forwarded-for": "198.51.100.9, 10.0.0.1"})


async def test_failures_are_bounded_and_lock_nobody_out(api: Api) -> None:
    """429 with when to come again; the right token is let in all the while, of validation too."""
    answers = [await api.client.get("/api/v1/llms", headers=bearer("guess")) for _ in range(30)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [401] * 20
    assert statuses.count(429) >= 5
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)
    assert (await api.post("/auth/validate", {"token": "guess"}, 429))["code"] == "too_many_attempts"
    await api.get("/llms")
    await api.post("/auth/validate", {"token": ADMIN}, 200)


def test_a_network_has_one_bucket() -> None:
    """An IPv4 /16, an IPv6 /48; it fills again with time, and buckets are bounded."""
    now = [0.0]
    attempts = FailedAttempts(burst=2, per_second=0.5, monotonic=lambda: now[0])
    assert [attempts.count(f"10.1.{number}.1") for number in range(3)] == [0, 0, 2]
    assert attempts.count("10.2.0.1") == 0
    assert [attempts.count(f"2001:db8:1:{number}::1") for number in range(3)] == [0, 0, 2]
    assert attempts.count("::ffff:10.3.0.1%eth0") == 0
    assert [attempts.count(name) for name in ("", "unix:", "x")] == [0, 0, 2]
    now[0] = 2.0
    assert [attempts.count("10.1.9.9"), attempts.count("10.1.9.9")] == [0, 2]
    for number in range(10_000):
        attempts.count(f"{number % 200 + 1}.{number // 200}.0.1")
    assert len(attempts._buckets) <= 4096
