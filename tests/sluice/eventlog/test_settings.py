"""Settings of the event log: what cannot work is refused before anything is opened."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from sluice.eventlog.settings import MAX_SECONDS, JournalSettings, KafkaSettings, LogSettings

DEFAULTS = LogSettings()
SECTIONS = {name: section for name, section in DEFAULTS if isinstance(section, BaseModel)}
POSITIVE = [
    (section, name)
    for section, model in SECTIONS.items()
    for name in type(model).model_fields
    if name.endswith(("_bytes", "_seconds"))
]


def test_the_defaults_are_settings() -> None:
    """An empty tree is valid, and means the embedded log and ``durable``."""
    assert LogSettings.model_validate({}) == DEFAULTS
    assert DEFAULTS.kafka.bootstrap_servers == ""
    assert DEFAULTS.eventlog.durability == "durable"


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_an_unknown_key_is_refused_by_its_name(section: str) -> None:
    """A misspelt setting would otherwise do nothing, in silence."""
    key = LogSettings.model_fields[section].alias or section
    with pytest.raises(ValidationError, match=f"(?s){key}.*misspelt.*Extra inputs are not permitted"):
        LogSettings.model_validate({key: {"misspelt": 1}})
    with pytest.raises(ValidationError, match="misspelt"):
        LogSettings.model_validate({"misspelt": {}})


@pytest.mark.parametrize(("section", "name"), POSITIVE)
@pytest.mark.parametrize("value", [0, -1, "many", None])
def test_sizes_and_times_are_positive(section: str, name: str, value: Any) -> None:
    """Nothing waits for no time and nothing fits into no room: the error names the key."""
    key = LogSettings.model_fields[section].alias or section
    with pytest.raises(ValidationError, match=f"{key}.{name}"):
        LogSettings.model_validate({key: {name: value}})


@pytest.mark.parametrize(("section", "name"), [pair for pair in POSITIVE if pair[1].endswith("_seconds")])
def test_times_are_finite(section: str, name: str) -> None:
    """YAML has ``.inf``: what cannot be counted is refused here and not in the middle of a start; a year is enough."""
    key = LogSettings.model_fields[section].alias or section
    for value in (float("inf"), float("nan"), ".inf", "nan"):
        with pytest.raises(ValidationError, match=rf"{key}\.{name}\n +Input should be a (finite|valid) number"):
            LogSettings.model_validate({key: {name: value}})
    with pytest.raises(ValidationError, match=rf"{key}\.{name}\n +Input should be less than or equal to 31536000"):
        LogSettings.model_validate({key: {name: MAX_SECONDS + 1}})
    LogSettings.model_validate({key: {name: MAX_SECONDS}})


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_a_section_cannot_be_changed_later(section: str) -> None:
    """What was validated is what runs."""
    model = SECTIONS[section]
    name = next(iter(type(model).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, name, getattr(model, name))


@pytest.mark.parametrize("namespace", ["", "a b", "ä", "a/b", "a" * 101, "a\n", "sluice,other", "*"])
def test_a_namespace_is_part_of_a_topics_name(namespace: str) -> None:
    """Only characters that Kafka takes."""
    with pytest.raises(ValidationError, match=r"kafka\.namespace|namespace"):
        KafkaSettings.model_validate({"namespace": namespace})


@pytest.mark.parametrize("namespace", ["a", "A.b_c-9", "a" * 100])
def test_an_ordinary_namespace_is_taken(namespace: str) -> None:
    """Dots, dashes and underscores too."""
    assert KafkaSettings(namespace=namespace).namespace == namespace


@pytest.mark.parametrize("partitions", [0, 1001, 1.5, "x"])
def test_partitions_are_bounded(partitions: Any) -> None:
    """One at least, and no number that a slip of the finger makes."""
    with pytest.raises(ValidationError, match="partitions"):
        KafkaSettings.model_validate({"partitions": partitions})


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("journal", "on_full"),
        ("journal", "sync"),
        ("kafka", "security_protocol"),
        ("kafka", "sasl_mechanism"),
        ("kafka", "on_offset_lost"),
        ("strict", "on_timeout"),
        ("eventlog", "durability"),
    ],
)
def test_a_choice_names_what_there_is_to_choose(section: str, name: str) -> None:
    """The error says the value that was given and those that are possible."""
    with pytest.raises(ValidationError) as error:
        LogSettings.model_validate({section: {name: "sometimes"}})
    text = str(error.value)
    assert re.search(rf"{section}\.{name}\n.*'sometimes'", text)
    assert f"'{getattr(SECTIONS[section], name)}'" in text


def test_strict_needs_a_kafka_to_acknowledge() -> None:
    """Said with both remedies; with Kafka, and without strict, it is fine."""
    strict = {"eventlog": {"durability": "strict"}}
    with pytest.raises(ValidationError, match=r"strict needs kafka\.bootstrap_servers; set it, or use durable"):
        LogSettings.model_validate(strict)
    with_kafka = LogSettings.model_validate({**strict, "kafka": {"bootstrap_servers": "k:9092"}})
    assert with_kafka.eventlog.durability == "strict"
    assert LogSettings.model_validate({"eventlog": {"durability": "fast"}}).kafka.bootstrap_servers == ""


@pytest.mark.parametrize(("single_broker", "replication"), [(False, (3, 2)), (True, (1, 1))])
def test_copies_are_three_unless_one_broker_is_said_to_be_enough(
    single_broker: bool, replication: tuple[int, int]
) -> None:
    """Two of three acknowledge, so that one may be lost."""
    assert KafkaSettings(single_broker=single_broker).replication == replication


def test_a_password_is_never_printed() -> None:
    """Neither by ``repr`` nor as JSON."""
    settings = LogSettings.model_validate({"kafka": {"password": "s3cret"}})
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.kafka.password.get_secret_value() == "s3cret"


def test_a_batch_of_the_relay_fits_what_a_topic_takes() -> None:
    """From Kafka's own default up to the largest message."""
    for size, is_good in ((16_383, False), (16_384, True), (1 << 20, True), ((1 << 20) + 1, False)):
        if is_good:
            LogSettings.model_validate({"relay": {"max_batch_bytes": size}})
        else:
            with pytest.raises(ValidationError, match="max_batch_bytes"):
                LogSettings.model_validate({"relay": {"max_batch_bytes": size}})


def test_the_schema_section_is_called_schema() -> None:
    """In YAML; the attribute has an underscore because pydantic has that name itself."""
    assert LogSettings.model_validate({"schema": {"wait_seconds": 1}}).schema_.wait_seconds == 1.0
    with pytest.raises(ValidationError):
        LogSettings.model_validate({"schema": {"wait_seconds": 0}})


def test_an_exchange_fits_into_the_journal_by_default() -> None:
    """The defaults go together: exchanges in segments, segments in the journal, a group's lag in it too."""
    journal = JournalSettings()
    assert journal.max_exchange_bytes < journal.segment_max_bytes < journal.max_lag_bytes < journal.max_bytes
