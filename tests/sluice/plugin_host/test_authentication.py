"""Who a caller is, as plugins say: believed only where it is said rightly, and never a default."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import PluginTiming
from sluice.plugin_host.answers import AnswerError, Limits
from sluice.plugin_host.authentication import Identity, Rejection, checked_app_id, verdict_of
from sluice.plugin_host.chain import Chain, Link
from sluice.plugin_host.errors import CredentialRejected, PluginBlocked, PluginFailed
from sluice.plugin_host.gate import Gate
from sluice.plugin_host.local import LocalPlugin
from sluice.sdk import (
    App,
    AuthHandler,
    AuthRequest,
    AuthResponse,
    BasePlugin,
    Context,
    Credential,
    Headers,
    PluginResponse,
    ResponseWriteResponse,
    User,
)
from sluice.sdk.context import ExchangeFacts
from tests.sluice.plugin_host.plugins import link

REQUEST = AuthRequest("POST", "/x", "", Headers(), b"", "192.0.2.1", credential="key-1", auth_type="bearer")
ACCEPT = AuthResponse.accept()
GARBAGE = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=4), st.booleans(),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=8)),
)  # fmt: skip


class Authenticator(BasePlugin, AuthHandler):
    """Answers what it is told, and remembers what it was asked."""

    def __init__(self, answer: Any, app: Any = None, user: Any = None) -> None:
        super().__init__()
        self.answers, self.asked = {"auth": answer, "app": app, "user": user}, list[str]()

    def _answer(self, what: str) -> Any:
        answer = self.answers[what]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> Any:
        self.asked.append(f"auth {request.credential}")
        return self._answer("auth")

    async def get_app_by_credential(self, ctx: Context, credential: str) -> Any:
        self.asked.append(f"app {credential}")
        if self.answers["app"] == "hang":
            await asyncio.get_running_loop().create_future()
        return self._answer("app")

    async def get_user_by_credential(self, ctx: Context, credential: str) -> Any:
        self.asked.append(f"user {credential}")
        return self._answer("user")


def authenticating(name: str, plugin: Authenticator, **values: Any) -> Link:
    """A plugin's place in a chain of ``auth``."""
    return link(name, plugin.handle_auth, hook="auth", running=LocalPlugin(plugin), **values)


def saying(answer: Any, name: str = "a", **values: Any) -> Link:
    """One that answers so."""
    return authenticating(name, Authenticator(answer), **values)


async def authenticated(*links: Link) -> tuple[Identity, list[str]]:
    """Who the caller is, and what each plugin decided."""
    timings: list[PluginTiming] = []
    identity = await Chain("auth", links, Limits()).authenticate(ExchangeFacts(), REQUEST, timings)
    return identity, [f"{timing['plugin']} {timing['decision']}" for timing in timings]


async def failure(*links: Link) -> str:
    """Why it cannot be told."""
    with pytest.raises(PluginFailed) as caught:
        await authenticated(*links)
    return f"{caught.value.plugin}: {caught.value.reason}"


async def test_the_first_that_accepts_decides() -> None:
    """Those before it had no opinion or rejected, those behind it are not asked."""
    never = Authenticator(AuthResponse.accept(app_id=9))
    identity, decisions = await authenticated(
        saying(PluginResponse.allow(), "silent"),
        saying(AuthResponse.reject("not mine"), "stern"),
        saying(AuthResponse.accept(app_id=7, user_id="u-1", claims={"team": "blue"}, username="Ann"), "kind"),
        authenticating("late", never),
    )
    assert identity == Identity(plugin="kind", app_id=7, user_id="u-1", username="Ann", claims={"team": "blue"})
    assert decisions == ["silent allow", "stern reject", "kind accept"]
    assert never.asked == []


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], ("", "")),
        ([PluginResponse.allow()], ("", "")),
        ([AuthResponse.reject("one"), AuthResponse.reject("two")], ("p1", "two")),
        ([AuthResponse.reject("one"), PluginResponse.allow()], ("p0", "one")),
    ],
)
async def test_where_nobody_accepts_nobody_is_known(answers: list[Any], said: tuple[str, str]) -> None:
    """The last rejection has the last word; no opinion at all is none either."""
    with pytest.raises(CredentialRejected) as caught:
        await authenticated(*(saying(answer, f"p{at}") for at, answer in enumerate(answers)))
    assert (caught.value.plugin, caught.value.message) == said


async def test_a_block_is_the_plugin_s_own_answer() -> None:
    """With its status and headers; nobody else is asked."""
    never = Authenticator(ACCEPT)
    answer = PluginResponse.block(402, "pay first", headers={"x-price": "1", "content-length": "9"}, body=b"{}")
    with pytest.raises(PluginBlocked) as caught:
        await authenticated(saying(answer, "till"), authenticating("late", never))
    blocked = caught.value
    assert (blocked.plugin, blocked.hook, blocked.status_code, blocked.message) == ("till", "auth", 402, "pay first")
    assert (blocked.headers, blocked.body, never.asked) == ([(b"x-price", b"1")], b"{}", [])


@pytest.mark.parametrize(
    ("answer", "known", "own", "expected"),
    [
        (AuthResponse.accept(app_id=7), 8, 9, 7), (Credential(user_id="u", app_id=7), 8, 9, 7),
        (ACCEPT, 8, 9, 8), (ACCEPT, App(id=8), 9, 8), (Credential(), 8, None, 8),
        (ACCEPT, None, 9, 9), (AuthResponse.accept(app_id=0), None, 9, 9), (ACCEPT, 0, 9, 9), (ACCEPT, -1, None, None),
        (ACCEPT, None, None, None), (Credential(user_id="u"), None, None, None), (ACCEPT, App(id=0), None, None),
    ],
)  # fmt: skip
async def test_the_app_is_the_answer_s_the_credential_s_or_the_attachment_s(
    answer: Any, known: Any, own: int | None, expected: int | None
) -> None:
    """In that order; else there is none, and never app 1."""
    plugin = Authenticator(answer, app=known)
    identity, _ = await authenticated(authenticating("a", plugin, app_id=own))
    assert identity.app_id == expected
    assert ("app key-1" in plugin.asked) == (not answer.app_id)


async def test_the_person_is_who_the_plugin_knows() -> None:
    """Its record fills what the answer leaves open."""
    user = User(id=5, name="Ann", email="ann@example.com")
    filled, _ = await authenticated(authenticating("a", Authenticator(ACCEPT, user=user)))
    assert (filled.user_id, filled.username, filled.user) == ("5", "Ann", user)
    said = Authenticator(AuthResponse.accept(user_id="u-1", username="A."), user=user)
    kept, _ = await authenticated(authenticating("a", said))
    assert (kept.user_id, kept.username, kept.user) == ("u-1", "A.", user)
    nobody, _ = await authenticated(authenticating("a", Authenticator(ACCEPT, user=User(email="x@example.com"))))
    assert nobody.user_id == ""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "answered NoneType, not AuthResponse, Credential or PluginResponse"),
        (True, "answered bool, not AuthResponse"),
        ({"authenticated": True}, "answered dict, not AuthResponse"),
        (ResponseWriteResponse.allow(), "answered ResponseWriteResponse, not AuthResponse"),
        (PluginResponse.modify(body=b"x"), "decided 'modify'; in auth a PluginResponse is a block"),
        (PluginResponse("accept"), "decided 'accept'"),  # type: ignore[arg-type]
        (AuthResponse(authenticated=1), "authenticated is of type int, neither True nor False"),  # type: ignore[arg-type]
        (AuthResponse(authenticated="false"), "authenticated is of type str"),  # type: ignore[arg-type]
        (AuthResponse.accept(app_id="7"), "app_id is of type str, not an int"),  # type: ignore[arg-type]
        (AuthResponse.accept(app_id=True), "app_id is of type bool, not an int"),
        (AuthResponse.accept(user_id=7), "user_id is of type int, not text"),  # type: ignore[arg-type]
        (AuthResponse.accept(user_id="x" * 2_000), "user_id has more than 1024 characters"),
        (AuthResponse.accept(user_id="\ud800"), "user_id has a lone surrogate at 0"),
        (AuthResponse.accept(claims=["a"]), "claims are of type list, not a mapping"),  # type: ignore[arg-type]
        (AuthResponse.accept(claims={"a": 1}), "claims['a'] is of type int, not text"),  # type: ignore[dict-item]
        (AuthResponse.accept(claims={"a": "x" * 20_000}), "claims are larger than 16384 bytes"),
        (AuthResponse(authenticated=False, message=b"x"), "message is of type bytes, not text"),  # type: ignore[arg-type]
        (ValueError("no database"), "raised ValueError: no database"),
        (SystemExit(3), "raised SystemExit"),
    ],
)  # fmt: skip
async def test_a_wrong_answer_lets_nobody_in(answer: Any, reason: str) -> None:
    """It is that plugin's failure, by name; and the next plugin is asked only where the operator said so."""
    behind = saying(AuthResponse.accept(app_id=7), "behind")
    assert (await failure(saying(answer, "odd"), behind)).startswith(f"odd: {reason}")
    identity, decisions = await authenticated(saying(answer, "odd", fails_open=True), behind)
    assert (identity.plugin, decisions) == ("behind", ["odd failed", "behind accept"])
    with pytest.raises(CredentialRejected):
        await authenticated(saying(answer, "odd", fails_open=True))


@pytest.mark.parametrize(
    ("app", "user", "reason"),
    [
        (ValueError("no table"), None, "raised ValueError: no table"), ("7", None, "app_id is of type str, not an int"),
        (App(id="7"), None, "app_id is of type str"),  # type: ignore[arg-type]
        (7, User(name=5), "name of a User is of type int, not text"),  # type: ignore[arg-type]
        (7, {"id": 1}, "get_user_by_credential answered dict, not User or None"),
        (7, RuntimeError("gone"), "raised RuntimeError: gone"),
    ],
)  # fmt: skip
async def test_what_it_knows_by_the_credential_is_believed_no_more(app: Any, user: Any, reason: str) -> None:
    """A lookup that fails is a failure of the plugin: the caller is not let in half known."""
    assert (await failure(authenticating("a", Authenticator(ACCEPT, app, user)))).startswith(f"a: {reason}")


@pytest.mark.parametrize("fails_open", [True, False])
async def test_a_block_that_cannot_be_said_is_no_opinion_of_nobody(fails_open: bool) -> None:
    """It stays a block: no other plugin is asked, whatever the policy for failures is."""
    behind = saying(AuthResponse.accept(app_id=7), "behind")
    blocking = saying(PluginResponse.block(99), "odd", fails_open=fails_open)
    assert (await failure(blocking, behind)).startswith("odd: blocked with status 99")


async def test_who_was_proved_is_not_the_plugin_s_to_change() -> None:
    """What it keeps and changes later, for the next caller, changes nobody who was let in before."""
    claims = {"tier": "gold"}
    identity, _ = await authenticated(saying(AuthResponse.accept(app_id=7, claims=claims), "a"))
    claims["tier"] = "lead"
    assert identity.claims == {"tier": "gold"}


async def test_an_authenticator_that_fails_and_fails_is_left_alone() -> None:
    """It has a breaker as others do; a success in between begins the count anew."""
    plugin = Authenticator(ValueError("no database"))
    place = authenticating("a", plugin, gate=Gate(breaker_failures=2))
    assert await failure(place) == "a: raised ValueError: no database"
    plugin.answers["auth"] = AuthResponse.reject()
    with pytest.raises(CredentialRejected):
        await authenticated(place)
    plugin.answers["auth"] = ValueError("no database")
    for _ in range(2):
        assert await failure(place) == "a: raised ValueError: no database"
    asked = len(plugin.asked)
    assert "its breaker is open after 2 failures" in await failure(place)
    assert len(plugin.asked) == asked


async def test_a_lookup_that_hangs_has_a_deadline() -> None:
    """The hook's: both together take no longer."""
    hanging = authenticating("a", Authenticator(ACCEPT, app="hang"), timeout_seconds=0.02)
    assert await failure(hanging) == "a: no answer within 0.02 s"


async def test_hook_and_lookups_have_one_deadline() -> None:
    """Each in time, and together too late, is too late."""

    class Slow(Authenticator):
        async def handle_auth(self, ctx: Context, request: AuthRequest) -> Any:
            await asyncio.sleep(0.06)
            return ACCEPT

        async def get_app_by_credential(self, ctx: Context, credential: str) -> Any:
            await asyncio.sleep(0.06)
            return 7

    assert await failure(authenticating("a", Slow(ACCEPT), timeout_seconds=0.1)) == "a: no answer within 0.1 s"


async def test_claims_are_not_looked_up_twice() -> None:
    """Each method is asked once for each exchange, with the credential as the client sent it."""
    plugin = Authenticator(ACCEPT, app=7)
    await authenticated(authenticating("a", plugin))
    assert plugin.asked == ["auth key-1", "app key-1", "user key-1"]


@settings(deadline=None)
@given(GARBAGE, GARBAGE, GARBAGE, GARBAGE, GARBAGE)
def test_garbage_is_a_verdict_or_refused(flag: Any, app: Any, user: Any, claims: Any, message: Any) -> None:
    """Nothing else than AnswerError leaves, and who is accepted was accepted with ``True`` itself."""
    answer = AuthResponse(authenticated=flag, app_id=app, user_id=user, claims=claims, message=message)
    try:
        verdict = verdict_of(answer, Limits())
    except AnswerError:
        return
    assert isinstance(verdict, Rejection) == (flag is False)
    if isinstance(verdict, Credential):
        assert flag is True
        assert checked_app_id(verdict.app_id) is None or verdict.app_id == app
