"""Into Kibana and Grafana by HTTP: what is sent, and that whatever comes back ends in success or in a remedy."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from sluice.eventstore.dashboards.definitions import load_dashboard, load_dashboards
from sluice.eventstore.exports.installing import (
    MAX_ANSWER_BYTES,
    InstallError,
    Program,
    Target,
    install_grafana,
    install_kibana,
)
from sluice.eventstore.exports.kibana import ndjson, saved_objects
from tests.sluice.eventstore.exports.scripted import Reply, Request, answered, serving

SECRET = "elastic:s3cr3t pä"
SPEND = [load_dashboard("spend")]
SOURCES = [
    {"uid": "p-1", "type": "prometheus", "database": "", "jsonData": {}},
    {"uid": "a-1", "type": "elasticsearch", "database": "", "jsonData": {"index": "microgateway-analytics"}},
    {"uid": "b-1", "type": "elasticsearch", "database": "microgateway-budget", "jsonData": {}},
    {"uid": "l-1", "type": "elasticsearch", "jsonData": {"index": "microgateway-proxy-logs"}},
]


async def put(program: Program, url: str, *, overwrite: bool = False, seconds: float = 20, **given: Any) -> int:
    """Install the dashboard of spend."""
    target = Target(program, url, given.pop("credential", SECRET), timeout_seconds=seconds, **given)
    if program == "kibana":
        return await install_kibana(target, SPEND, overwrite=overwrite)
    return await install_grafana(target, SPEND, overwrite=overwrite)


async def test_kibana_gets_one_file_in_a_form() -> None:
    """All objects at once, with what Kibana wants in the head, at the space that the address names."""
    with serving(lambda _: answered({"success": True, "successCount": 12})) as server:
        assert await put("kibana", server.url + "/base/s/team/", overwrite=True) == 12
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/base/s/team/api/saved_objects/_import?overwrite=true")
    assert request.headers["kbn-xsrf"]
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="sluice.ndjson"' in request.body
    assert ndjson(saved_objects(SPEND)).encode() in request.body


@pytest.mark.parametrize(("program", "scheme"), [("kibana", "ApiKey"), ("grafana", "Bearer")])
async def test_a_key_is_sent_as_its_program_wants_it(program: Program, scheme: str) -> None:
    """And nothing at all where no credential was given."""
    with serving(lambda _: Reply(401)) as server:
        for credential, wanted in (("a2V5", f"{scheme} a2V5"), ("", None)):
            with pytest.raises(InstallError, match="SLUICE_"):
                await put(program, server.url, credential=credential)
            assert server.requests[-1].headers.get("authorization") == wanted


def grafana(request: Request) -> Reply:
    """One that works."""
    return answered(SOURCES if request.path == "/api/datasources" else {"status": "success", "id": 1})


async def test_grafana_gets_each_dashboard_with_its_own_data_sources() -> None:
    """Found by the index they read, in either place where Grafana keeps it; no input is left."""
    with serving(grafana) as server:
        target = Target("grafana", server.url, SECRET)
        assert await install_grafana(target, load_dashboards(), overwrite=False) == 6
    asked, *saved = server.requests
    assert (asked.method, asked.path) == ("GET", "/api/datasources")
    assert {(each.method, each.path) for each in saved} == {("POST", "/api/dashboards/db")}
    bodies = [json.loads(each.body) for each in saved]
    assert [body["dashboard"]["uid"] for body in bodies][:2] == ["sluice-overview", "sluice-spend"]
    assert not any(body["overwrite"] for body in bodies)
    used = {panel["datasource"]["uid"] for body in bodies for panel in body["dashboard"]["panels"]}
    assert used == {"a-1", "b-1", "l-1"}


async def test_data_sources_that_are_named_are_not_looked_up() -> None:
    """A token that may save dashboards may not see data sources."""
    with serving(grafana) as server:
        await install_grafana(Target("grafana", server.url), SPEND, overwrite=True, sources={"analytics": "mine"})
    [request] = server.requests
    assert '"uid": "mine"' in json.dumps(json.loads(request.body))


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([], "no data source of Elasticsearch with the index microgateway-analytics"),
        (SOURCES[:1], "no data source"),
        ([SOURCES[1], SOURCES[1]], "2 data sources"),
        ([{"uid": 5, "type": "elasticsearch", "database": "microgateway-analytics"}, "x", None], "no data source"),
        ({"a": 1}, "is not Grafana's"),
    ],
)
async def test_data_sources_that_are_not_there_are_named(sources: Any, said: str) -> None:
    """Nothing is saved that would show errors alone; whoever reads it knows what to make."""
    with serving(lambda _: answered(sources)) as server, pytest.raises(InstallError, match=said) as caught:
        await put("grafana", server.url)
    assert len(server.requests) == 1
    assert "--datasource analytics=UID" in str(caught.value) or isinstance(sources, dict)


@pytest.mark.parametrize("program", ["kibana", "grafana"])
@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(401), "give who you are as SLUICE_"),
        (Reply(401, b"<html>", "text/html"), "give who you are as SLUICE_"),
        (answered({"message": "no\x1b[2Jway"}, 403), r"answered 403 \(no \[2Jway\); whoever you are there needs"),
        (Reply(404), "itself, with its base path"),
        (answered({"message": "name-exists"}, 409), "add --overwrite"),
        (answered({"message": "x", "status": "version-mismatch"}, 412), "add --overwrite"),
        (Reply(429), "later"),
        (Reply(503), "when it is up"),
        (answered({"message": "boom"}, 500), r"answered 500 \(boom\); its log"),
        (answered({"message": ["a"]}, 418), "answered 418; its log"),
        (Reply(500, b"", "text/plain"), "text/plain and no JSON"),
        (Reply(200, b"<html>log in</html>", "text/html; charset=utf-8"), "200 with text/html and no JSON"),
        (Reply(200, b"[" * 100_000), "no JSON"),
        (Reply(200, b" " * (MAX_ANSWER_BYTES + 1)), "no JSON"),
        (Reply(302, b"", headers={"location": "http://127.0.0.1:9/login"}), "redirect"),
        (answered({"status": "lies"}), "its answer is not"),
        (answered([]), "its answer is not|no data source"),
        (answered(None), "no JSON|its answer is not"),
        (Reply(200, b"{}", headers={"content-encoding": "gzip"}), "cannot be reached"),
    ],
    ids=lambda found: str(getattr(found, "status", "")),
)
async def test_whatever_is_answered_ends_in_a_remedy(program: Program, reply: Reply, said: str) -> None:
    """Refusals, conflicts, pages for people, floods and lies: one sentence, no secret, nothing that moves a cursor."""
    with serving(lambda _: reply) as server, pytest.raises(InstallError, match=said) as caught:
        await put(program, server.url)
    text = str(caught.value)
    assert "s3cr3t" not in text
    assert text.isprintable()
    assert len(text) < 700
    assert len(server.requests) == 1


async def test_a_server_that_hangs_is_left() -> None:
    """After the time that was given, though bytes came."""
    with (
        serving(lambda _: Reply(never_ends=True)) as server,
        pytest.raises(InstallError, match=r"no whole answer in 0.3 s"),
    ):
        await put("kibana", server.url, seconds=0.3)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (
            [{"type": "dashboard", "id": "sluice-spend", "error": {"type": "conflict"}}],
            "dashboard sluice-spend.*--overwrite",
        ),
        ([{"type": "visualization", "id": "v", "error": {"type": "missing_references"}}], "whole dashboards"),
        ([{"type": "dashboard", "id": "\x1b]0;x", "error": {"type": "unknown"}}], "Kibana 8.0"),
        ([None, "x", {"error": "y"}], "1 objects were not imported"),
        (None, "0 objects .* none is named"),
    ],
)
async def test_kibana_says_no_with_status_200(errors: Any, said: str) -> None:
    """Success is what the body says, and each object that was refused is named."""
    body = {"success": False, "successCount": 0, "errors": errors}
    with serving(lambda _: answered(body)) as server, pytest.raises(InstallError, match=said) as caught:
        await put("kibana", server.url)
    assert str(caught.value).isprintable()


async def test_grafana_stops_where_it_is_refused_and_says_how_far_it_came() -> None:
    """The third of six: two are there."""
    replies = iter([answered(SOURCES), *[answered({"status": "success"})] * 2, answered({"message": "exists"}, 412)])
    with serving(lambda _: next(replies)) as server, pytest.raises(InstallError) as caught:
        await install_grafana(Target("grafana", server.url), load_dashboards(), overwrite=False)
    assert "dashboard latency" in str(caught.value)
    assert "2 of 6 were installed" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kibana:5601", "is no address"),
        ("ftp://kibana", "is no address"),
        ("https://", "is no address"),
        ("http://[::1", "is no address"),
        ("http://kibana:99999", "is no address"),
        ("http://elastic:s3cr3t@kibana", "give who you are as SLUICE_KIBANA_CREDENTIAL"),
        ("http://kibana/?a=b", "a query"),
        ("http://127.0.0.1:9", "cannot be reached"),
        ("https://127.0.0.1:9", "cannot be reached"),
    ],
)
async def test_addresses_that_are_none(url: str, said: str) -> None:
    """Found before anything is sent; a password in one is not repeated."""
    with pytest.raises(InstallError, match=said) as caught:
        await put("kibana", url)
    assert "s3cr3t" not in str(caught.value)


async def test_certificates_are_checked() -> None:
    """What speaks no TLS gets nothing; a file of certificates that is none is named."""
    with serving(lambda _: answered({})) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(InstallError, match="cannot be reached"):
            await put("kibana", url)
        with pytest.raises(InstallError, match="readable PEM file"):
            await put("kibana", url, ca_file="/nowhere.pem")
    assert server.requests == []


async def test_a_server_is_trusted_by_the_file_of_who_signed_it(tmp_path: Path) -> None:
    """Without it nothing is sent, and the remedy names the option."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(lambda _: answered({"success": True, "successCount": 3}), context) as server:
        with pytest.raises(InstallError, match="--ca-file FILE"):
            await put("kibana", server.url)
        assert server.requests == []
        assert await put("kibana", server.url, ca_file=str(tmp_path / "ca.pem")) == 3


async def test_a_key_of_impossible_characters_is_refused() -> None:
    """A line break would be a header of its own."""
    with pytest.raises(InstallError, match="characters that no key has") as caught:
        await put("kibana", "http://127.0.0.1:9", credential="s3cr3t\r\nx-evil")
    assert "s3cr3t" not in str(caught.value)


def test_a_target_is_shown_without_its_credential() -> None:
    """In a log, or a traceback."""
    assert "s3cr3t" not in repr(Target("kibana", "http://kibana", SECRET))
