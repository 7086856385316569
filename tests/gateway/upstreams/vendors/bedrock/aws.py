"""A scripted Bedrock on a real socket, which answers nobody whose signature is not right for exactly what arrived."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET, REGION = "AKIDSCRIPTED00000000", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-west-1"
API_KEY = "ABSKQmVkcm9ja0FQSUtleS1zY3JpcHRlZA=="
STREAM_TYPE = "application/vnd.amazon.eventstream"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/bedrock/aws4_request, SignedHeaders=([^,]+), "
    r"Signature=([0-9a-f]{64})"
)


@dataclass
class Answer:
    """What the vendor answers next."""

    pieces: Iterable[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """What arrived."""

    target: str
    headers: dict[str, str]
    body: bytes
    signed: frozenset[str]
    session: str | None


class Aws:
    """The scripted vendor."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[Asked] = []
        self.url = ""

    def will(self, *pieces: bytes, status: int = 200, **headers: str) -> None:
        """What it says next: header names with an underscore for each dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(Answer(pieces, status, named))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Check the proof, then answer what was planned."""
        body = await request.read()
        signed = self._check(request, body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        session = headers.get("x-amz-security-token")
        self.asked.append(Asked(request.raw_path, headers, body, signed, session))
        if not signed and headers.get("authorization") != f"Bearer {API_KEY}":
            refusal = {"message": "The request signature we calculated does not match the signature you provided."}
            return web.json_response(refusal, status=403, headers={"x-amzn-ErrorType": "InvalidSignatureException"})
        answer = self.answers.pop(0)
        content_type = {"content-type": "application/json", "x-amzn-requestid": "1b2c"}
        response = web.StreamResponse(status=answer.status, headers={**content_type, **answer.headers})
        await response.prepare(request)
        for piece in answer.pieces:
            await response.write(piece)
        await response.write_eof()
        return response

    def _check(self, request: web.Request, body: bytes) -> frozenset[str]:
        """The signed headers, where the signature is right for these bytes; else nothing."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if found is None or found[1] != ACCESS_KEY or found[3] != REGION:
            return frozenset()
        names = found[4].split(";")
        url = f"{self.url}{request.raw_path}"
        again = AWSRequest(request.method, url, data=body)
        for name in names:
            for value in request.headers.getall(name):
                again.headers[name] = value
        again.context["timestamp"] = request.headers["x-amz-date"]
        signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET), "bedrock", REGION)
        text = signer.string_to_sign(again, signer.canonical_request(again))
        is_right = signer.signature(text, again) == found[5]
        return frozenset(names) if is_right and found[2] == again.context["timestamp"][:8] else frozenset()


@contextlib.asynccontextmanager
async def scripted_aws() -> AsyncIterator[Aws]:
    """Serve until the test is over."""
    aws = Aws()
    app = web.Application(client_max_size=16 << 20)
    app.router.add_route("*", "/{path:.*}", aws.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server: Any = site._server
    aws.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield aws
    finally:
        await runner.cleanup()
