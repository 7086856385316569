"""What a plugin can do is what it says; where it says nothing, what the operator says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.processes.calls import CONFIG
from sluice.plugin_host.processes.describing import ask, completed
from sluice.plugin_host.running import Described
from sluice.plugin_wire import config_provider_pb2
from sluice.plugin_wire.extensions_pb2 import Description
from sluice.plugin_wire.plugin_pb2 import GetConfigSchemaResponse, GetManifestResponse, InitResponse
from tests.sluice.plugin_host.processes.peers import Peer, calling, make_registration

MANIFEST = {"id": "x", "version": "1.2", "name": "x", "description": "d", "capabilities": {"hooks": ["post_auth"]}}


async def asked(peer: Peer) -> Described:
    """What a peer says of itself."""
    async with calling(peer) as calls:
        return await ask(make_registration("grpc://127.0.0.1:1"), calls, "attached")


async def test_manifest_and_schema_are_asked_for() -> None:
    """Version and description are the manifest's."""
    manifest = GetManifestResponse(success=True, manifest_json=json.dumps(MANIFEST))
    schema = GetConfigSchemaResponse(success=True, schema_json='{"type": "object"}')
    found = await asked(Peer(GetManifest=manifest, GetConfigSchema=schema))
    assert (found.version, found.description, found.manifest) == ("1.2", "d", MANIFEST)
    assert found.config_schema == {"type": "object"}


async def test_what_it_says_is_cut_to_what_a_list_can_show() -> None:
    """In its manifest as in its own words."""
    manifest = GetManifestResponse(
        success=True, manifest_json=json.dumps({"version": "1" * 999, "description": "x" * 9999})
    )
    found = await asked(Peer(GetManifest=manifest))
    assert (len(found.version), len(found.description)) == (64, 1000)
    said = InitResponse(success=True, description=Description(version="1" * 999, description="x" * 9999))
    found = completed(UNSAID, make_registration("x.py"), said, is_unified=True)
    assert (len(found.version), len(found.description)) == (64, 1000)


async def test_either_service_may_have_them() -> None:
    """The config service is asked where the plugin service has none."""
    peer = Peer(GetManifest=GetManifestResponse(success=False, manifest_json="{}"))
    manifest, schema = config_provider_pb2.GetManifestResponse, config_provider_pb2.ConfigSchemaResponse
    peer.answers[CONFIG + "GetManifest"] = manifest(success=True, manifest_json=json.dumps(MANIFEST))
    peer.answers[CONFIG + "GetConfigSchema"] = schema(success=True, schema_json='{"type": "object"}')
    found = await asked(peer)
    assert (found.manifest, found.config_schema) == (MANIFEST, {"type": "object"})


async def test_a_plugin_may_say_nothing() -> None:
    """The older generation does, or says that it has nothing to say."""
    peer = Peer()
    peer.answers[CONFIG + "GetManifest"] = config_provider_pb2.GetManifestResponse(error_message="none")
    found = await asked(peer)
    assert (found.manifest, found.config_schema, found.version) == (None, None, "")


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"GetManifest": GetManifestResponse(success=True, manifest_json="{")}, "its manifest is no JSON"),
        ({"GetManifest": GetManifestResponse(success=True, manifest_json="[1]")}, "is no JSON object"),
        ({"GetConfigSchema": GetConfigSchemaResponse(success=True, schema_json="no")}, "config schema is no JSON"),
        ({"GetConfigSchema": GetConfigSchemaResponse(success=True, schema_json="x" * (1 << 20))}, "more than"),
    ],
)
async def test_what_it_says_must_be_json(answers: dict[str, Any], problem: str) -> None:
    """Anything else refuses the plugin, by name."""
    with pytest.raises(PluginLoadError, match=f"plugin 'peer': .*{problem}"):
        await asked(Peer(**answers))


SAID = Described(
    name="peer", manifest={**MANIFEST, "capabilities": {"hooks": ["post_auth", "data_collection", "agent"]}}
)
UNSAID = Described(name="peer")


def test_hook_types_come_before_the_manifest() -> None:
    """An operator knows better; a response type is three hooks."""
    found = completed(SAID, make_registration("x.py", hook_types=("auth", "response")), None, is_unified=True)
    assert found.hooks == ("auth", "response_headers", "response_body", "stream_complete")
    assert (found.authenticates, found.collects, found.receives_payloads) == (True, frozenset(), True)


def test_without_them_the_manifest_counts() -> None:
    """Hooks that no gateway has are none."""
    found = completed(SAID, make_registration("x.py", hook_types=()), InitResponse(success=True), is_unified=False)
    assert found.hooks == ("post_auth",)
    assert found.collects == {"proxy_log", "analytics", "budget"}
    assert (found.authenticates, found.receives_payloads, found.handles_chunks) == (False, False, False)


@pytest.mark.parametrize(
    "manifest",
    [None, {}, {"capabilities": "x"}, {"capabilities": {"hooks": "post_auth"}}, {"capabilities": {"hooks": ["agent"]}}],
)
def test_where_nobody_says_it_the_plugin_is_refused(manifest: dict[str, Any] | None) -> None:
    """The remedy names hook_types and what may stand there."""
    with pytest.raises(PluginLoadError, match="says which hooks it implements; name them in hook_types: pre_auth"):
        completed(
            Described(name="peer", manifest=manifest), make_registration("x.py", hook_types=()), None, is_unified=True
        )


def test_chunks_are_taken_where_the_manifest_says_so() -> None:
    """True, and nothing that merely looks true."""
    for said, expected in ((True, True), ("yes", False), (1, False)):
        manifest = {"capabilities": {"hooks": ["response"], "handles_chunks": said}}
        described = Described(name="peer", manifest=manifest)
        found = completed(described, make_registration("x.py", hook_types=()), None, is_unified=True)
        assert found.handles_chunks is expected


def test_plugins_of_ours_say_all_of_it_themselves() -> None:
    """Whatever hook_types say: what of it is called is the host's to decide."""
    said = Description(
        version="3", hooks=["response_body", "auth"], handles_chunks=True, receives_payloads=True, collects=["budget"]
    )
    initialized = InitResponse(success=True, description=said)
    found = completed(UNSAID, make_registration("x.py", hook_types=("post_auth",)), initialized, is_unified=True)
    assert found.hooks == ("auth", "response_body")
    assert (found.version, found.handles_chunks, found.authenticates) == ("3", True, True)
    assert (found.receives_payloads, found.collects) == (True, frozenset(("budget",)))
