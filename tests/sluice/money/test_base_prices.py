"""Tests of ``sluice.money.base_prices``."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice.money.base_prices import MAX_FILE_BYTES, PACKAGED, BasePrices, BasePricesError, read_base_prices
from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage

MAX_IDLE_BYTES = 8 << 20
MAX_LOAD_SECONDS = 0.25
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
BASE = read_base_prices()
ROW: dict[str, Any] = {"prompt": 1_000_000, "response": 2_000_000}


def text(*sections: list[dict[str, Any]]) -> str:
    """A file of providers, each a list of its own line and its models'."""
    body = "\n" + "\n\n".join("\n".join(json.dumps(line) for line in section) for section in sections) + "\n"
    head = {"format": 1, "version": "v", "sha256": hashlib.sha256(body.encode()).hexdigest()}
    return json.dumps(head) + "\n" + body


def table(*models: dict[str, Any], **other: Any) -> BasePrices:
    """Of one provider."""
    return BasePrices(text([{"id": "openai", **other}, *models]))


def model(name: str = "m", match: Any = None, *rows: dict[str, Any]) -> dict[str, Any]:
    """One that costs a nano for each token."""
    return {"id": name, "match": match or ["=", name], "rows": list(rows) or [ROW]}


@pytest.mark.parametrize(
    ("vendor", "name", "price_id"),
    [
        ("openai", "gpt-4o", "base:openai/gpt-4o"),
        ("openai", "GPT-4o", "base:openai/gpt-4o"),
        ("azure", "gpt-4o", "base:openai/gpt-4o"),
        ("anthropic", "claude-sonnet-4-5-20250929", "base:anthropic/claude-sonnet-4-5"),
        ("google_ai", "models/gemini-2.5-pro", "base:google/gemini-2.5-pro"),
        ("vertex", "publishers/google/models/gemini-2.5-pro", "base:google/gemini-2.5-pro"),
        ("vertex", "claude-sonnet-4-5@20250929", "base:google/claude-sonnet-4-5"),
        ("bedrock", "amazon.nova-micro-v1:0", "base:aws/amazon.nova-micro-v1:0"),
        ("mistral", "mistral-large-latest", "base:mistral/mistral-large"),
        ("groq", "llama-3.3-70b-versatile", "base:groq/llama-3.3-70b-versatile"),
        ("openrouter", "openai/gpt-4o-mini", "base:openrouter/openai/gpt-4o-mini"),
        ("xai", "grok-3", "base:x-ai/grok-3"),
        ("huggingface", f"{LLAMA}:groq", f"base:huggingface_groq/{LLAMA}"),
    ],
)  # fmt: skip
def test_vendors_and_models_are_found_by_our_names(vendor: str, name: str, price_id: str) -> None:
    """Whatever the table calls the provider, and whatever stands before a model in a path."""
    found = BASE.find(vendor, name)
    assert price_id in {row.id.partition("@")[0] for row in found}
    assert {row.version for row in found} == {BASE.version}


@pytest.mark.parametrize(
    ("vendor", "name"),
    [("openai", "of-nobody"), ("ollama", "llama3"), ("mock", "gpt-4o"), ("compatible", "gpt-4o"), ("nobody", "gpt-4o"),
     ("huggingface", "meta-llama/Llama-3.3-70B-Instruct"), ("huggingface", "a:nobody"), ("openai", ""),
     ("openai", "gpt-4o" + "x" * 300)],
)  # fmt: skip
def test_what_nobody_published_has_no_price(vendor: str, name: str) -> None:
    """Neither zero nor a neighbour's; a name longer than any model's is not even looked for."""
    assert BASE.find(vendor, name) == ()


def test_all_of_the_packaged_table_can_be_read() -> None:
    """Every provider, every model; each row is found again by its id."""
    assert BASE.check() > 2000
    for provider in ("openai", "anthropic", "google", "aws", "deepseek", "mistral"):
        for row in BASE.rows(provider):
            by_id = BASE.by_id(row.id)
            assert by_id is not None
            assert (by_id.id, by_id.rates, by_id.tiers) == (row.id, row.rates, row.tiers)


def test_an_id_is_the_models_until_its_prices_change() -> None:
    """Then with the day, and within a day with the hour; a batch price that became known is no change."""
    later, batch = {**ROW, "prompt": 3, "from": "2026-02-01"}, {**ROW, "batch": ROW, "from": "2026-01-01"}
    found = table(model("m", None, later, batch, ROW)).find("openai", "m")
    assert [row.id for row in found] == ["base:openai/m@2026-02-01", "base:openai/m", "base:openai/m"]
    hourly = table(model("m", None, {**ROW, "hours": [1800, 59400]}, {**ROW, "hours": [59400, 1800]}))
    assert [row.id for row in hourly.find("openai", "m")] == ["base:openai/m@T0030", "base:openai/m@T1630"]


@pytest.mark.parametrize(
    ("match", "names", "others"),
    [
        (["=", "a"], ["a", "A"], ["ab", "b"]),
        (["^", "a"], ["a", "ab"], ["ba"]),
        (["$", "a"], ["a", "ba"], ["ab"]),
        (["*", "a"], ["a", "bab"], ["b"]),
        (["~", "^a.c$"], ["abc"], ["abcd"]),
        (["|", [["=", "a"], ["=", "b"]]], ["a", "b"], ["c"]),
        (["|", [["=", "a"]]], ["a"], ["c"]),
        (["&", [["^", "a"], ["$", "b"]]], ["ab", "axb"], ["a", "b"]),
    ],
)
def test_models_are_matched_as_the_library_does(match: Any, names: list[str], others: list[str]) -> None:
    """By how a name begins, ends, what it has in it, and what of these holds together."""
    found = table(model("m", match))
    assert all(found.find("openai", name) for name in names)
    assert not any(found.find("openai", name) for name in others)


def test_a_compact_date_is_a_date() -> None:
    """As routers write it, where the vendor has dashes."""
    found = table(model("m-2025-12-11"))
    assert found.find("openai", "m-20251211")
    assert not found.find("openai", "m-20251311")


def test_who_serves_anothers_models_has_its_prices_but_not_its_discounts() -> None:
    """Of batches: that other's are that other's."""
    row = {**ROW, "batch": {"prompt": 5, "response": 5}}
    both = BasePrices(text([{"id": "azure", "like": ["nobody", "openai"]}], [{"id": "openai"}, model("m", None, row)]))
    (own,), (like,) = both.find("openai", "m"), both.find("azure", "m")
    assert own.batch is not None
    assert like.batch is None
    assert (like.id, like.rates) == (own.id, own.rates)


def test_tiers_begin_where_any_class_changes() -> None:
    """Each with every class's price."""
    row = {"prompt": [10, [100, 20], [300, 40]], "response": [1, [200, 2]], "cache_read": 3}
    (price,) = table(model("m", None, row)).find("openai", "m")
    sizes = [(t.above_prompt_tokens, t.rates.prompt, t.rates.response, t.rates.cache_read) for t in price.tiers]
    assert sizes == [(100, 20, 1, 3), (200, 20, 2, 3), (300, 40, 2, 3)]
    assert (price.rates.prompt, price.rates.cache_write) == (10, 10)
    assert price.tiers[0].rates.cache_write == 20


def test_requests_and_tools_are_nanos_of_one() -> None:
    """Whatever the class's are for a million."""
    (price,) = table(model("m", None, {**ROW, "request": 7, "tool_request": 9})).find("openai", "m")
    assert cost_nanos(price, Usage(1, 1, tool_requests=2)) == 1 + 2 + 7 + 18


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no table"),
        ("{}", "no table"),
        ("null\n", "no table"),
        ('{"format":2,"version":"v","sha256":""}\n', "format 2"),
        ('{"format":1,"version":"v","sha256":"0"}\n', "checksum"),
        (text([{"id": "openai"}, model()]).replace("1000000", "1000001"), "checksum"),
        (text([{"id": "openai"}, model()])[:-3], "checksum"),
    ],
)
def test_a_file_that_is_not_as_it_was_made_is_refused(content: str, why: str, tmp_path: Path) -> None:
    """By its path, with the reason; a torn or edited one too."""
    path = tmp_path / "prices"
    path.write_text(content)
    with pytest.raises(BasePricesError, match=why) as refused:
        read_base_prices(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [{"id": "m"}, {"id": "m", "match": ["?", "x"], "rows": [ROW]}, {"id": "m", "match": ["~", "("], "rows": [ROW]},
     {"id": "m", "match": ["="], "rows": [ROW]}, {"id": "m", "match": ["=", "m"], "rows": [{"response": 1}]},
     {"id": "m", "match": ["=", "m"], "rows": [{"prompt": -1}]},
     {"id": "m", "match": ["=", "m"], "rows": [{"prompt": 1, "from": "never"}]}],
)  # fmt: skip
def test_a_line_that_means_nothing_is_refused(line: dict[str, Any]) -> None:
    """When all of it is read, as an update does before it is kept."""
    with pytest.raises(BasePricesError, match="openai"):
        table(line).check()


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """One that is not there, is no text, or is too large for what it says it is."""
    binary, large = tmp_path / "binary", tmp_path / "large"
    binary.write_bytes(b"\xff\xfe\x00")
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for path, why in ((tmp_path / "nowhere", "cannot be read"), (binary, "cannot be read"), (large, "larger")):
        with pytest.raises(BasePricesError, match=why):
            read_base_prices(path)


_MEASURE = """
import sys, time, hashlib, msgspec, sluice.money.prices, sluice.clock, datetime, pathlib
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
before, begun = rss(), time.process_time()
from sluice.money.base_prices import read_base_prices
base = read_base_prices()
base.find("openai", "gpt-4o"), base.find("anthropic", "claude-sonnet-4-5"), base.find("openrouter", "openai/gpt-4o")
took = time.process_time() - begun
base.check()
print(rss() - before, took, "genai_prices" in sys.modules)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_gateway_pays_little_for_it() -> None:
    """All of it read adds at most 8 MiB, three vendors' at once take a part of a second of a processor, and no
    library is loaded."""
    measured = subprocess.run(
        [sys.executable, "-c", _MEASURE], cwd=PACKAGED.parents[2], capture_output=True, check=True
    )
    added, took, is_loaded = measured.stdout.split()
    assert int(added) <= MAX_IDLE_BYTES
    assert float(took) <= MAX_LOAD_SECONDS
    assert is_loaded == b"False"
