"""Headers: what belongs to one connection, and every credential, stays on its side."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.headers import (
    connection_names,
    downstream_headers,
    first_values,
    header,
    own_headers,
    parse_traceparent,
    upstream_headers,
)
from gateway.upstreams.client import Headers
from tests.gateway.test_exchange import a_snapshot, an_exchange

KEY: Headers = [(b"authorization", b"Bearer vendor-key")]
HOP_BY_HOP = (
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
    b"transfer-encoding", b"upgrade",
)  # fmt: skip
OURS = (
    b"host", b"content-length", b"authorization", b"x-api-key", b"api-key", b"cookie", b"expect", b"forwarded",
    b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"x-http-method-override",
    b"x-http-method", b"x-method-override",
)  # fmt: skip
NAMES = st.sampled_from([*HOP_BY_HOP, *OURS, b"x-a", b"x-b", b"content-type", b"x-request-id", b"traceparent"])
LINES = st.lists(st.tuples(NAMES, st.sampled_from([b"close", b"x-a", b"x-a, X-B", b"", b"1"])), max_size=8)


def to_vendor(headers: Headers, **values: str) -> Headers:
    """What the vendor gets of a client's headers."""
    return upstream_headers(an_exchange(headers=headers, **values), KEY)


def to_client(headers: Headers) -> Headers:
    """What the client gets of a vendor's headers."""
    return downstream_headers(an_exchange(), headers, first_values(headers))


def test_a_client_is_told_which_other_llm_answered() -> None:
    """In our header alone: a vendor's own of that name is dropped."""
    _, llm = a_snapshot()
    exchange = an_exchange()
    assert b"x-sluice-llm" not in dict(downstream_headers(exchange, [(b"x-sluice-llm", b"forged")], {}))
    exchange.served_by = llm
    headers = downstream_headers(exchange, [(b"x-sluice-llm", b"forged")], {})
    assert [value for name, value in headers if name == b"x-sluice-llm"] == [b"demo"]


@pytest.mark.parametrize(
    "name",
    [
        b"x-goog-api-key",
        b"x-goog-user-project",
        b"x-amz-security-token",
        b"x-amz-date",
        b"x-amz-content-sha256",
        b"ocp-apim-subscription-key",
    ],
)
def test_no_vendor_s_credential_passes_another(name: bytes) -> None:
    """Whatever header a client puts its token in, no vendor gets it: ours goes out instead."""
    assert name not in dict(to_vendor([(name, b"sl-token")]))


@pytest.mark.parametrize(
    "name",
    [
        b"retry-after", b"retry-after-ms", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-requests",
        b"anthropic-ratelimit-tokens-reset", b"x-should-retry", b"openai-processing-ms", b"x-amzn-errortype",
    ],
)  # fmt: skip
def test_what_a_vendor_says_of_its_limits_reaches_the_client(name: bytes) -> None:
    """Its SDK waits as long as it is told."""
    assert dict(to_client([(name, b"7")]))[name] == b"7"


def test_the_first_value_of_a_header() -> None:
    """Names are compared as they are; an absent one is ``None``, an empty one is not."""
    headers: Headers = [(b"x-a", b""), (b"x-a", b"2")]
    assert header(headers, b"x-a") == b""
    assert header(headers, b"x-b") is None
    assert header([], b"x-a") is None


@pytest.mark.parametrize("name", [*HOP_BY_HOP, *OURS])
def test_what_does_not_go_to_the_vendor(name: bytes) -> None:
    """The connection's own headers, the client's credential, and where the client is."""
    sent = to_vendor([(name, b"the client's"), (b"x-kept", b"1")])
    assert b"the client's" not in [value for _, value in sent]
    assert (b"x-kept", b"1") in sent


@pytest.mark.parametrize("name", [*HOP_BY_HOP, b"alt-svc", b"set-cookie"])
def test_what_does_not_go_to_the_client(name: bytes) -> None:
    """The connection's own headers, and what would bind the client to the vendor."""
    assert to_client([(name, b"the vendor's"), (b"x-kept", b"1")])[0] == (b"x-kept", b"1")
    assert b"the vendor's" not in [value for _, value in to_client([(name, b"the vendor's")])]


def test_what_the_vendor_gets_of_ours() -> None:
    """Our key, no compression, our ids; the trace where there is one; and everything else of the client in order."""
    headers: Headers = [(b"accept-encoding", b"gzip"), (b"x-b", b"1"), (b"x-request-id", b"forged"), (b"x-b", b"2")]
    exchange = an_exchange(headers=headers)
    ids = [(b"x-request-id", b"request-1"), (b"x-sluice-exchange-id", exchange.exchange_id.encode())]
    expected = [(b"x-b", b"1"), (b"x-b", b"2"), *KEY, (b"accept-encoding", b"identity"), *ids]
    assert upstream_headers(exchange, KEY) == expected
    exchange.traceparent = "00-1-2-01"
    assert upstream_headers(exchange, KEY) == [*expected, (b"traceparent", b"00-1-2-01")]


def test_a_client_s_ids_are_ours() -> None:
    """It can forge neither the exchange's id nor a trace that was not well formed."""
    sent = to_vendor([(b"x-sluice-exchange-id", b"forged"), (b"traceparent", b"forged")])
    assert b"forged" not in [value for _, value in sent]
    assert header(to_client([(b"x-sluice-exchange-id", b"forged")]), b"x-sluice-exchange-id") != b"forged"


def test_the_vendor_s_request_id_stays_visible() -> None:
    """Under another name: its support asks for it."""
    headers = to_client([(b"x-request-id", b"vendor-7")])
    assert header(headers, b"x-vendor-request-id") == b"vendor-7"
    assert header(headers, b"x-request-id") == b"request-1"
    assert [name for name, _ in headers].count(b"x-request-id") == 1
    assert header(to_client([]), b"x-vendor-request-id") is None


def test_our_ids_are_in_every_answer() -> None:
    """Both, and nothing else."""
    exchange = an_exchange()
    assert own_headers(exchange) == [
        (b"x-request-id", b"request-1"),
        (b"x-sluice-exchange-id", exchange.exchange_id.encode()),
    ]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"keep-alive", set()), (b"Keep-Alive", set()), (b"close", set()), (b"X-Secret", {b"x-secret"}),
        (b"keep-alive, X-A ,x-b", {b"keep-alive", b"x-a", b"x-b"}), (b"", {b""}), (b",,", {b""}),
    ],
)  # fmt: skip
def test_headers_that_connection_names(value: bytes, names: set[bytes]) -> None:
    """In any case of letters; the usual values cost nothing."""
    assert connection_names([(b"connection", value)]) == names
    assert connection_names([]) == frozenset()


def test_what_connection_names_is_the_connection_s() -> None:
    """RFC 9110, 7.6.1: both ways."""
    headers: Headers = [(b"connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"x-kept", b"1")]
    for left in (to_vendor(headers), to_client(headers)):
        assert header(left, b"x-hop") is None
        assert header(left, b"x-kept") == b"1"


def test_several_connection_lines_are_one_list() -> None:
    """RFC 9110, 5.2: the same names in two lines or in one mean the same."""
    headers: Headers = [(b"connection", b"keep-alive"), (b"connection", b"x-hop"), (b"x-hop", b"1")]
    assert header(to_vendor(headers), b"x-hop") is None
    assert header(to_client(headers), b"x-hop") is None


def test_connection_cannot_remove_our_key() -> None:
    """A client that names ``authorization`` removes its own alone."""
    sent = to_vendor([(b"connection", b"authorization, x-sluice-exchange-id, accept-encoding")])
    assert sent[0] == KEY[0]
    assert header(sent, b"x-sluice-exchange-id")
    assert header(sent, b"accept-encoding") == b"identity"


@settings(deadline=None)
@given(LINES)
def test_nothing_of_a_connection_reaches_the_other(headers: Headers) -> None:
    """Whatever is sent, and what is kept stays in order; the given list is not changed."""
    before = list(headers)
    sent, answered = to_vendor(headers), to_client(headers)
    assert headers == before
    assert not {name for name, _ in sent}.intersection(HOP_BY_HOP)
    assert not {name for name, _ in answered}.intersection(HOP_BY_HOP)
    assert [pair for pair in sent if pair[0] == b"authorization"] == KEY
    kept = [pair for pair in headers if pair[0] == b"content-type"]
    assert [pair for pair in sent if pair[0] == b"content-type"] == kept


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_well_formed_traceparent_is_continued() -> None:
    """As it came, with its trace id."""
    assert parse_traceparent(GOOD.encode()) == (GOOD, "0af7651916cd43dd8448eb211c80319c")


@pytest.mark.parametrize(
    "value",
    [
        "", "00", GOOD.upper(), GOOD + "-more", " " + GOOD, GOOD + "\n", GOOD.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-b7ad6b7169203331-01", f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        GOOD.replace("a", "é", 1), "00-" + "٣" * 32 + "-b7ad6b7169203331-01",
    ],
)  # fmt: skip
def test_any_other_is_as_if_none_was_sent(value: str) -> None:
    """W3C: an invalid one starts a new trace; nothing of it goes on."""
    assert parse_traceparent(value.encode()) == ("", "")
    assert parse_traceparent(None) == ("", "")


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_break_the_parser(value: bytes) -> None:
    """And what it takes can be sent as ASCII."""
    traceparent, trace_id = parse_traceparent(value)
    traceparent.encode("ascii")
    assert bool(traceparent) == bool(trace_id)


def test_a_tracestate_goes_on_beside_its_traceparent_alone() -> None:
    """W3C: without one that can be read it says nothing."""
    state = (b"tracestate", b"a=1")
    with_parent = an_exchange(headers=[state, (b"traceparent", GOOD.encode())], traceparent=GOOD)
    assert state in upstream_headers(with_parent, [])
    assert state not in upstream_headers(an_exchange(headers=[state]), [])
