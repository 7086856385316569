"""Settings of the event log: what cannot work is refused before anything is opened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from sluice.eventlog import kafka
from sluice.eventlog.settings import MAX_SECONDS, JournalSettings, KafkaSettings, LogSettings

DEFAULTS = LogSettings()
SECTIONS = {name: section for name, section in DEFAULTS if isinstance(section, BaseModel)}
POSITIVE = [
    (section, name)
    for section, model in SECTIONS.items()
    for name in type(model).model_fields
    if name.endswith(("_bytes", "_seconds"))
]
NARROWER = {
    "session_timeout_seconds": 1800,
    "heartbeat_interval_seconds": 600,
    "rebalance_timeout_seconds": 3600,
    "max_poll_interval_seconds": 86_400,
    "transaction_timeout_seconds": 900,
}
"""Bounds that Kafka sets, or one setting another."""


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
    most = NARROWER.get(name, MAX_SECONDS)
    for value in (float("inf"), float("nan"), ".inf", "nan"):
        with pytest.raises(ValidationError, match=rf"{key}\.{name}\n +Input should be a (finite|valid) number"):
            LogSettings.model_validate({key: {name: value}})
    with pytest.raises(ValidationError, match=rf"{key}\.{name}\n +Input should be less than or equal to {most:.0f}"):
        LogSettings.model_validate({key: {name: most + 1}})
    if name != "heartbeat_interval_seconds":  # which the session bounds
        LogSettings.model_validate({key: {name: most}})


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


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"kafka": {"security_protocol": "SASL_SSL"}}, r"kafka\.username is empty.*SASL_SSL: name the user"),
        (
            {"kafka": {"security_protocol": "SSL", "client_key_file": "k.pem"}},
            r"kafka\.client_key_file is set without kafka\.client_certificate_file",
        ),
        (
            {"kafka": {"client_certificate_file": "c.pem"}},
            r"kafka\.client_certificate_file needs TLS: set kafka\.security_protocol to SSL or SASL_SSL",
        ),
        (
            {"kafka": {"heartbeat_interval_seconds": 6}},
            r"kafka\.heartbeat_interval_seconds 6 must be at most a third of kafka\.session_timeout_seconds 15",
        ),
        ({"relay": {"exactly_once": True}}, r"relay\.exactly_once needs kafka\.bootstrap_servers"),
        ({"schema_registry": {"token": "t"}}, r"schema_registry\.token is set without schema_registry\.url"),
        (
            {"schema_registry": {"url": "http://r", "token": "t", "username": "u"}},
            r"schema_registry\.token and schema_registry\.username are both set: keep one",
        ),
        ({"schema_registry": {"url": "r:8081"}}, r"schema_registry\.url"),
        ({"schema_registry": {"url": "http://u:p@r"}}, r"schema_registry\.url"),
        ({"kafka": {"group_instance_id": "a b"}}, r"kafka\.group_instance_id"),
        ({"kafka": {"sasl_mechanism": "GSSAPI"}}, r"kafka\.sasl_mechanism"),
    ],
)
def test_what_does_not_go_together_is_refused(document: dict[str, Any], expected: str) -> None:
    """With both keys and the remedy."""
    with pytest.raises(ValidationError, match=expected):
        LogSettings.model_validate(document)


def test_a_static_member_has_a_name_for_each_worker() -> None:
    """Stable over restarts, different for each process; none where nothing is set."""
    kafka = KafkaSettings(group_instance_id="pod-3")
    assert [kafka.instance_id(worker) for worker in (0, 1)] == ["pod-3-0", "pod-3-1"]
    assert KafkaSettings().instance_id() is None


def test_secrets_are_masked() -> None:
    """Passwords and tokens of Kafka and of the registry are not in what is printed."""
    settings = LogSettings.model_validate(
        {
            "kafka": {"password": "hush-1", "client_key_password": "hush-2"},
            "schema_registry": {"url": "http://r", "username": "u", "password": "hush-3"},
        }
    )
    assert "hush" not in repr(settings)
    assert "hush" not in settings.model_dump_json()


def test_every_setting_of_kafka_is_documented() -> None:
    """With its default where it has one, in the tables beside the code; and the example there is valid."""
    folder = Path(kafka.__file__).parent
    texts = {
        "kafka": (folder / "README.md").read_text("utf-8"),
        "relay": (folder / "README.md").read_text("utf-8"),
        "schema_registry": (folder.parent / "registry/README.md").read_text("utf-8"),
    }
    for name, text in texts.items():
        rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
        documented = {key: what for keys, *what in rows for key in re.findall("`([a-z_]+)`", keys)}
        for key, value in SECTIONS[name]:
            default = documented[key][0]
            if isinstance(value, bool | int | float | str) and value != "":
                shown = f"{value:g}" if isinstance(value, float) else str(value).lower()
                assert shown in default.lower(), key
    example = texts["kafka"].partition("```yaml\n")[2].partition("```")[0]
    settings = LogSettings.model_validate(yaml.safe_load(example))
    assert settings.relay.exactly_once
    assert settings.schema_registry.url
