"""The guides keep their word: the sink of its page keeps every law of sinks, paths exist, pages are linked."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from functools import reduce
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from collectors.sinks.registry import SINKS
from gateway.access.credentials import hash_token
from gateway.settings import Settings as GatewaySettings
from sluice.cli import build_app
from sluice.eventlog.settings import EventLogSettings
from sluice.eventstore.documents import properties
from sluice.eventstore.names import INDEX_NAMES
from sluice.settings import load_settings
from tests.contracts import test_sinks as laws
from tests.contracts.sink_laws import SinkBench
from tests.documents.blocks import ROOT, Block, blocks_of

SINKS_PAGE = "collectors/sinks/README.md"


def python_blocks(page: str) -> list[Block]:
    """In their order."""
    return [block for block in blocks_of((ROOT / page).read_text(), page) if block.language == "python"]


@pytest.fixture(scope="module")
def shown() -> Iterator[dict[str, object]]:
    """What the blocks of the page define, each as a module that those behind it can import."""
    found: dict[str, object] = {}
    made = []
    for number, block in enumerate(python_blocks(SINKS_PAGE)):
        name = Path(block.name).stem or f"shown_{number}"
        module = sys.modules[name] = ModuleType(name)
        made.append(name)
        exec(compile(block.text, str(block), "exec", dont_inherit=True), vars(module))  # noqa: S102 - our own page
        found |= vars(module)
    yield found
    for name in made:
        del sys.modules[name]


@pytest.fixture
async def bench(shown: dict[str, object], tmp_path: Path) -> AsyncIterator[SinkBench]:
    """The one that the page shows, instead of those of the sinks that we ship."""
    kind = shown["FolderBench"]
    assert isinstance(kind, type)
    made = kind(tmp_path)
    assert isinstance(made, SinkBench)
    await made.open()
    yield made
    await made.close()


for _name, _law in vars(laws).items():
    if _name.startswith("test_") or _name in {"sink", "log"}:
        globals()[f"{_name}_of_the_page" if _name.startswith("test_") else _name] = _law
"""Every law of the contract, asked of the sink of the page."""


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def test_every_path_of_the_architecture_exists() -> None:
    """What stands in backticks and looks like a path is one, from the root."""
    named = set(re.findall(r"`([\w./-]+(?:/[\w.-]+|\.(?:py|md|toml|yaml)))`", ARCHITECTURE)) - {"command.py"}
    assert len(named) > 80
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_the_layers_of_the_architecture_are_those_that_are_checked() -> None:
    """The two drawings are the contracts of pyproject.toml, and no contract is left out of the text."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    drawn = [block.text.split("\n")[:-1] for block in blocks_of(ARCHITECTURE) if block.language == ""]
    assert drawn == [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    others = [contract["name"] for contract in contracts if contract["type"] != "layers"]
    assert len(others) == 5, f"ARCHITECTURE.md says that there are five more: {others}"


def test_every_package_below_sluice_is_in_the_architecture() -> None:
    """Whoever looks for a room finds it."""
    rooms = {path.parent.name for path in (ROOT / "sluice").glob("*/__init__.py")}
    assert {room for room in rooms if f"sluice/{room}`" not in ARCHITECTURE} == set()


LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(#[^)\s]*)?\)")
GUIDES = ("README.md", "ARCHITECTURE.md", "MIGRATING.md", "deploy/README.md", "collectors/README.md", SINKS_PAGE)


def anchors_of(text: str) -> set[str]:
    """Of headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", GUIDES)
def test_links_of_a_guide_lead_somewhere(page: str) -> None:
    """A file or folder that exists, and a heading that is in it."""
    path = ROOT / page
    gone = []
    for target, anchor in LINK.findall(path.read_text()):
        found = (path.parent / target).resolve() if target else path
        if not found.exists() or (anchor and anchor not in anchors_of(found.read_text())):
            gone.append(target + anchor)
    assert gone == []


def test_the_front_page_leads_to_every_guide() -> None:
    """A page that nobody finds is not written."""
    front = (ROOT / "README.md").read_text()
    wanted = [page for page in GUIDES if page != "README.md"]
    wanted += ["sluice/sdk/README.md", "gateway/SETTINGS.md", "collectors/SETTINGS.md", "schemas/EVENTS.md"]
    assert [page for page in wanted if f"({page}" not in front] == []


PROMISES = (ROOT / "collectors" / "README.md").read_text().partition("### What each sink promises")[2]


def test_every_sink_has_its_row_and_keeps_it() -> None:
    """Those that are there, no others; who is called exact is held to it by the contract, and the others are not."""
    rows = dict(re.findall(r"^\| \[(\w+)\]\([^)]*\) \| ([^|]+) \|", PROMISES, re.MULTILINE))
    assert set(rows) == {path.removeprefix("sink://") for path in SINKS} | {"plugin"}
    assert rows["s3"] == "as file"
    for name, promise in rows.items() - {("plugin", rows["plugin"]), ("s3", "as file")}:
        assert laws.BENCHES[name].is_exact == promise.startswith("exact"), name  # type: ignore[attr-defined]


def test_what_fast_can_lose_is_what_the_settings_say() -> None:
    """The table of what survives has the defaults in it."""
    settings = EventLogSettings()
    assert (settings.fast_flush_seconds, settings.fast_max_bytes) == (0.1, 64 << 20)
    assert settings.durability == "durable"


MIGRATING = (ROOT / "MIGRATING.md").read_text()
MODEL_LIST = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 600}
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY}
litellm_settings:
  fallbacks: [{gpt-4o: [claude]}]
  success_callback: [langfuse]
"""


EXPORT = {
    "llms.json": {
        "id": 1, "name": "GPT", "slug": "gpt", "vendor": "openai", "endpoint": "https://api.openai.com/v1",
        "api_key_encrypted": "sealed", "is_active": True, "monthly_budget": 100, "allowed_models": ["gpt-4o"],
    },
    "app-1.json": {"id": 1, "name": "team-a", "owner_email": "a@example.com", "is_active": True, "llms": [{"id": 1}]},
}  # fmt: skip


@pytest.mark.parametrize("source", ["config.yaml", "export/"])
def test_an_import_says_what_the_page_shows(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of LiteLLM's file line by line; of an export of the other gateway the lines that are shown."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(MODEL_LIST)
    (tmp_path / "export").mkdir()
    for name, row in EXPORT.items():
        (tmp_path / "export" / name).write_text(json.dumps({"data": row}))
    result = CliRunner().invoke(build_app(), ["import", source, "--output", "sluice.yaml"])
    said = set(result.output.splitlines())
    first = "made: LLM claude" if source == "config.yaml" else "made: app team-a"
    [shown] = [set(block.text.splitlines()) for block in blocks_of(MIGRATING) if first in block.text]
    assert shown - said == set()
    assert source != "config.yaml" or said == shown
    assert result.exit_code == 1  # something is not carried over
    written = load_settings(tmp_path / "sluice.yaml", GatewaySettings, {})
    assert written.llms


def test_a_key_of_the_other_proxy_is_a_token_here() -> None:
    """Both keep SHA-256 of all of it in hex, so clients keep theirs."""
    assert hash_token("sk-1234") == hashlib.sha256(b"sk-1234").hexdigest()


def test_settings_that_the_page_names_exist() -> None:
    """``gateway.upstream.total_timeout_seconds`` and its like."""
    settings = GatewaySettings()
    named = re.findall(r"`((?:gateway|control|plugin_host)(?:\.[a-z_]+)+)`", MIGRATING)
    assert len(named) > 8
    for key in named:
        reduce(getattr, key.split("."), settings)


def test_documents_have_the_fields_that_readers_are_told_of() -> None:
    """``cost`` is a number beside exact nanos, texts are keywords, and the indices are called as they were."""
    fields = properties("analytics")
    assert (fields["cost"]["type"], fields["cost_nanos"]["type"]) == ("double", "long")
    assert {fields[name]["type"] for name in ("vendor", "outcome", "llm_slug")} == {"keyword"}
    assert set(re.findall(r"`(microgateway-[a-z-]+)-\*`", MIGRATING)) == set(INDEX_NAMES.values())
