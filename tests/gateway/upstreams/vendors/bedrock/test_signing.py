"""Tests of ``gateway.upstreams.vendors.bedrock.signing``: what is signed, and with whose credentials."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.client import Headers, Origin, Timeouts, UpstreamRequest
from gateway.upstreams.vendors.bedrock import signing
from gateway.upstreams.vendors.bedrock.auth import AwsKey
from gateway.upstreams.vendors.bedrock.signing import SigV4Signer
from sluice.clock import now_micros

KEY = AwsKey("AKIDEXAMPLE", "secret", "", "")
HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
MORE: Headers = [
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"x"),
    (b"x-request-id", b"r"),
    (b"traceparent", b"t"),
    (b"x-amzn-trace-id", b"Root=1"),
    (b"content-type", b"application/json"),
    (b"x-amzn-bedrock-trace", b"ENABLED"),
    (b"x-amzn-bedrock-trace", b" two   spaces "),
]


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def request(target: str = "/model/a.b%3A0/converse?y=2&x=1", body: bytes = b"{}", host: str = HOST) -> UpstreamRequest:
    """One that is ready to go out."""
    headers = [*MORE, (b"host", host.encode())]
    return UpstreamRequest(Origin("https", host, 443), b"POST", target.encode(), headers, body, Timeouts())


def is_right(made: UpstreamRequest, region: str, key: AwsKey = KEY) -> bool:
    """Whether the signature is that of these bytes."""
    headers = dict(made.headers)
    given = headers[b"authorization"].decode()
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    again = AWSRequest("POST", f"https://{headers[b'host'].decode()}{made.target.decode()}", data=made.body)
    for name, value in made.headers:
        if name.decode() in names:
            again.headers[name.decode()] = value.decode()
    again.context["timestamp"] = headers[b"x-amz-date"].decode()
    signer = SigV4Auth(Credentials(key.id, key.secret), "bedrock", region)
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return given.endswith(f"Signature={signature}") and f"/{region}/bedrock/aws4_request" in given


async def test_signed_is_what_goes_out() -> None:
    """Path, query, body, host and AWS's own headers; nothing that a proxy may change."""
    made = await SigV4Signer(KEY, HOST).sign(request())
    assert is_right(made, "eu-west-1")
    signed = dict(made.headers)[b"authorization"].decode().partition("SignedHeaders=")[2].partition(",")[0]
    assert signed == "content-type;host;x-amz-date;x-amzn-bedrock-trace"
    assert [pair for pair in made.headers if pair in MORE] == MORE
    assert (made.target, made.body) == (request().target, b"{}")
    assert b"x-amz-security-token" not in dict(made.headers)


async def test_another_byte_is_another_signature() -> None:
    """Of body, path and query."""
    signer = SigV4Signer(KEY, HOST)
    made = await signer.sign(request())
    for changed in (
        request(body=b"{ }"),
        request("/model/a.c%3A0/converse?y=2&x=1"),
        request("/model/a.b%3A0/converse"),
    ):
        changed.headers = made.headers
        assert not is_right(changed, "eu-west-1")


async def test_each_attempt_is_signed_anew() -> None:
    """A proof that is there already is replaced, and the request that was given stays as it is."""
    signer = SigV4Signer(AwsKey("AKIDEXAMPLE", "secret", "session", ""), HOST)
    first = request()
    again = await signer.sign(await signer.sign(first))
    names = [name for name, _ in again.headers]
    assert names.count(b"authorization") == names.count(b"x-amz-date") == names.count(b"x-amz-security-token") == 1
    assert dict(again.headers)[b"x-amz-security-token"] == b"session"
    assert first == request()


async def test_a_path_is_sent_and_signed_with_its_model_encoded_once() -> None:
    """However a client wrote it."""
    for model in ("a.b:0", "a.b%3A0", "a.b%3a0"):
        made = await SigV4Signer(KEY, HOST).sign(request(f"/model/{model}/invoke"))
        assert made.target == b"/model/a.b%3A0/invoke"
        assert is_right(made, "eu-west-1")


async def test_the_key_s_region_holds_then_the_host_s_then_the_configured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin may have chosen another host than the LLM's."""
    other = request(host="bedrock-runtime.us-west-2.amazonaws.com")
    assert is_right(await SigV4Signer(KEY, HOST).sign(other), "us-west-2")
    assert is_right(await SigV4Signer(KEY._replace(region="ap-south-1"), HOST).sign(other), "ap-south-1")
    with pytest.raises(ValueError, match="AWS_DEFAULT_REGION"):
        SigV4Signer(KEY, "127.0.0.1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    assert is_right(await SigV4Signer(KEY, "127.0.0.1").sign(request(host="127.0.0.1")), "sa-east-1")


async def test_without_a_key_the_host_s_credentials_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found once; those of the environment never grow stale."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret)
    signer = SigV4Signer(AwsKey("", "", "", ""), HOST)
    assert is_right(await signer.sign(request()), "eu-west-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert is_right(await signer.sign(request()), "eu-west-1")


async def test_a_host_without_credentials_is_unreachable() -> None:
    """Nothing was sent; the next attempt asks again."""
    with pytest.raises(UpstreamUnreachable, match="no AWS credentials"):
        await SigV4Signer(AwsKey("", "", "", ""), HOST).sign(request())


class Role:
    """Credentials that a service gives for a while, and its troubles."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.seconds = 0.0
        self.is_down = False
        self.until = timedelta(seconds=30)
        self.may_answer = threading.Event()
        self.may_answer.set()

    def give(self) -> dict[str, str]:
        """What the service says."""
        self.may_answer.wait(10)
        self.threads.append(threading.get_ident())
        if self.is_down:
            message = "secret details"
            raise RuntimeError(message)
        expiry = datetime.fromtimestamp(now_micros() / 1e6, UTC) + self.until
        return {"access_key": KEY.id, "secret_key": KEY.secret, "token": "t", "expiry_time": expiry.isoformat()}

    def signer(self) -> SigV4Signer:
        """One that signs with what it gives."""
        signer = SigV4Signer(AwsKey("", "", "", ""), HOST)
        made: Any = RefreshableCredentials.create_from_metadata(self.give(), self.give, "test")
        signer._session.get_credentials = lambda: made
        return signer


async def test_a_role_s_credentials_are_renewed_in_time_off_the_loop() -> None:
    """In a thread, and not again while they are fresh."""
    role = Role()
    signer = role.signer()
    role.until = timedelta(hours=1)
    made = [await signer.sign(request()) for _ in range(3)]
    assert all(is_right(one, "eu-west-1") for one in made)
    assert dict(made[-1].headers)[b"x-amz-security-token"] == b"t"
    assert len(role.threads) == 2
    assert role.threads[1] != threading.get_ident()


async def test_many_exchanges_wait_for_one_renewal() -> None:
    """However many there are, one thread asks."""
    role = Role()
    signer = role.signer()
    role.until = timedelta(hours=1)
    made = await asyncio.gather(*(signer.sign(request()) for _ in range(50)))
    assert len(role.threads) == 2
    assert all(is_right(one, "eu-west-1") for one in made)


async def test_a_service_that_fails_makes_the_vendor_unreachable() -> None:
    """And is not quoted."""
    role = Role()
    signer = role.signer()
    role.is_down = True
    with pytest.raises(UpstreamUnreachable) as raised:
        await signer.sign(request())
    assert "secret details" not in str(raised.value)
    role.is_down, role.until = False, timedelta(hours=1)
    assert is_right(await signer.sign(request()), "eu-west-1")


async def test_a_service_that_hangs_makes_the_vendor_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its time."""
    monkeypatch.setattr(signing, "CREDENTIALS_SECONDS", 0.05)
    role = Role()
    signer = role.signer()
    role.may_answer.clear()
    with pytest.raises(UpstreamUnreachable, match=r"within 0\.05 s"):
        await signer.sign(request())
    role.may_answer.set()
