"""The references say what the models, the events and the topics are, and their examples are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from collectors.settings import Settings as CollectorSettings
from gateway.settings import Settings as GatewaySettings
from schemas.codec import SchemaBook, encode_exchange
from schemas.events import KINDS
from sluice.clock import micros_of
from sluice.settings import SettingsError, settings_of
from tests import reference_texts
from tests.documents import event_examples
from tests.documents.blocks import ROOT
from tests.documents.fields import Setting, form_of, words_of
from tests.documents.fields import settings_of as fields_of
from tests.documents.settings_blocks import variables_of
from tests.documents.settings_pages import Part, collector_parts, default_of, gateway_parts

PARTS = [*gateway_parts(), *collector_parts()]


@pytest.mark.parametrize("name", reference_texts.PAGES)
def test_references_are_the_kept_ones(name: str) -> None:
    """Whoever changes a setting or an event sees what readers will, and renews it on purpose."""
    kept = (ROOT / name).read_text("utf-8")
    assert kept == reference_texts.PAGES[name](), f"{name} is not what the models say: {reference_texts.COMMAND}"


def test_renewing_writes_what_is_compared(tmp_path: Path) -> None:
    """All pages, and nothing else."""
    for name in reference_texts.PAGES:
        (tmp_path / name).parent.mkdir()
    reference_texts.write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*.md")}
    assert written == {name: (ROOT / name).read_text("utf-8") for name in reference_texts.PAGES}


@pytest.mark.parametrize("name", reference_texts.PAGES)
def test_links_within_a_page_lead_somewhere(name: str) -> None:
    """A section's row leads to the section."""
    text = (ROOT / name).read_text("utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert len(anchors) == len(headings)
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors


@pytest.mark.parametrize("name", reference_texts.PAGES)
def test_pages_are_linked(name: str) -> None:
    """From the README of their package, where people look first."""
    folder, _, page = name.partition("/")
    assert f"({page})" in (ROOT / folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "page"), [(GatewaySettings, "gateway/SETTINGS.md"), (CollectorSettings, "collectors/SETTINGS.md")]
)
def test_no_setting_is_missing(model: type[BaseModel], page: str) -> None:
    """Every key that pydantic's own account of the models has stands in the page."""
    schema = model.model_json_schema()
    keys = {key for each in [schema, *schema["$defs"].values()] for key in each.get("properties", {})}
    rows = re.findall(r"^\| `([^`]+)`", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    shown = {path.rpartition(".")[2] for path in rows}
    assert len(keys) > 100
    assert keys - shown == set()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.title)
def test_every_setting_is_explained(part: Part) -> None:
    """A sentence below the field, and an example where the type tells none: ``Field(examples=[…])``."""
    for setting in part.settings:
        path = part.path_of(setting)
        assert setting.what.endswith("."), f"{path}: write a docstring of whole sentences below the field"
        assert setting.name in part.links or setting.example(path) is not None, f"{path}: give it an example"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.title)
def test_every_example_is_taken(part: Part) -> None:
    """By the model, with what else its rules ask for, each by an example of its own."""
    for setting in part.settings:
        if setting.name not in part.links or setting.field.examples:
            example = {setting.key: setting.example(part.path_of(setting))}
            assert any(_is_taken(setting.model, {**rest, **example}) for rest in _companions(part, setting)), example


def _companions(part: Part, setting: Setting) -> Iterator[dict[str, Any]]:
    """What may stand beside it: all that must, and up to two that need not."""
    others = {each.key: _examples(part, each) for each in fields_of(setting.model) if each.name != setting.name}
    needed = [each.key for each in fields_of(setting.model) if each.is_required and each.key in others]
    free = [key for key in others if key not in needed and others[key]]
    for count in range(3):
        for chosen in combinations(free, count):
            keys = [*needed, *chosen]
            yield from (dict(zip(keys, values, strict=True)) for values in product(*(others[key] for key in keys)))


def _examples(part: Part, setting: Setting) -> list[Any]:
    """All that it has; of a section that has settings which must be there: these."""
    if setting.field.examples:
        return setting.field.examples
    example = setting.example(part.path_of(setting))
    if example is None and setting.form.section is not None:
        inner = [each for each in fields_of(setting.form.section) if each.is_required]
        return [{each.key: _examples(part, each)[0] for each in inner}]
    return [] if example is None else [example]


def _is_taken(model: type[BaseModel], document: dict[str, Any]) -> bool:
    try:
        settings_of(document, model, "an example", variables_of(document))
    except SettingsError:
        return False
    return True


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.title)
def test_every_default_is_the_model_s(part: Part) -> None:
    """What is shown, written into a file, is what holds without it."""
    for setting in part.settings:
        shown = default_of(setting)
        if setting.is_required or setting.default is None:
            assert shown == ("required" if setting.is_required else "none"), part.path_of(setting)
        elif shown:
            text = re.fullmatch(r"`([^`]*)`( \(.*\))?", shown)
            assert text is not None, shown
            adapter: TypeAdapter[Any] = TypeAdapter(setting.field.rebuild_annotation())
            assert adapter.validate_python(yaml.safe_load(text[1])) == setting.default, part.path_of(setting)
        else:
            assert setting.default == type(setting.default)(), part.path_of(setting)


def test_an_example_that_is_refused_is_noticed() -> None:
    """The test above can fail."""
    assert _is_taken(GatewaySettings, {"version": "1"})
    assert not _is_taken(GatewaySettings, {"version": "2"})
    with pytest.raises(ValidationError):
        GatewaySettings.model_validate({"version": "2"})


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (tuple[str, ...], "list of texts"),
        (dict[str, int], "mapping of texts to whole numbers"),
        (int | None, "whole number"),
        (int | str, "whole number or text"),
    ],
)
def test_types_are_said_in_words(annotation: Any, words: str) -> None:
    """As people would, not as Python does."""
    assert words_of(form_of(annotation)) == words


def test_the_examples_of_events_are_events() -> None:
    """Written and read by the code that writes and reads them, they are the same; so no field is missing or of a wrong
    type."""
    events = encode_exchange(
        event_examples.COMMON, event_examples.PROXY_LOG, event_examples.ANALYTICS, event_examples.BUDGET
    )
    assert [event.kind for event in events] == list(KINDS)
    book = SchemaBook()
    for event in events:
        kind, decoded = book.decode(event.value(event_examples.SEQUENCE))
        shown = event_examples.example(kind)
        assert {key: _plain(decoded[key]) for key in shown} == shown


def _plain(value: Any) -> Any:
    """Times as they were written."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return micros_of(value) if isinstance(value, datetime) else value


def test_the_examples_of_events_are_of_one_exchange() -> None:
    """Their figures agree: sizes are those of the bodies, times and sums those of the parts."""
    common, log, cost, budget = (
        event_examples.COMMON, event_examples.PROXY_LOG, event_examples.ANALYTICS, event_examples.BUDGET,
    )  # fmt: skip
    assert common["completed_at"] - common["occurred_at"] == log["total_micros"] == cost["total_micros"]
    assert log["request_body_bytes"] == len(log["request_body"] or b"")
    assert log["response_body_bytes"] == len(log["response_body"] or b"")
    assert cost["total_tokens"] == budget["tokens_used"] == budget["prompt_tokens"] + budget["completion_tokens"]
    assert cost["cost_nanos"] == budget["cost_nanos"]
