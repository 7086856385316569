"""Nothing is deleted that the log still keeps: a replay would bring it back."""

from __future__ import annotations

import asyncio

import pytest

from collectors.retention.floors import Floors, TooYoungError, check_floors, floors_of, journal_floors, refusal
from collectors.retention.settings import RetentionSettings
from collectors.settings import HostSettings
from sluice.eventlog.interface import EventLogError
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import SECONDS, make_topic

DAY = 86_400.0


def wanted(**limits: object) -> RetentionSettings:
    """Of one store."""
    return RetentionSettings.model_validate({"stores": {"search": limits}})


def test_a_limit_below_the_log_s_is_refused_with_both_figures() -> None:
    """The key, what it is, what the log keeps, and what to do; what is as old is fine."""
    floors: Floors = {"proxy_log": 7 * DAY, "analytics": 30 * DAY, "budget": 40 * DAY}
    check_floors(wanted(proxy_log={"max_age": "7d"}, analytics={"max_age": "31d"}), floors)
    with pytest.raises(
        TooYoungError, match=r"retention\.stores\.search\.analytics\.max_age is 7d, .*for 30d.*30d or more"
    ):
        check_floors(wanted(analytics={"max_age": "7d"}), floors)
    check_floors(wanted(analytics={"max_bytes": 1}), floors)


def test_what_the_log_keeps_for_ever_can_never_be_deleted() -> None:
    """Not by bytes either."""
    with pytest.raises(TooYoungError, match=r"for ever.*retention\.ms"):
        check_floors(wanted(budget={"max_bytes": 1}), {"proxy_log": 1.0, "analytics": 1.0, "budget": None})


def test_a_process_over_journals_does_not_start_with_such_a_limit() -> None:
    """Journals are known without asking; Kafka's topics are not, and no section is none."""
    host = HostSettings.model_validate({"journal": {"retention_seconds": 2 * DAY}})
    assert journal_floors(host) == dict.fromkeys(("proxy_log", "analytics", "budget"), 2 * DAY)
    assert "is 1d, and the log keeps budget for 2d" in refusal(wanted(budget={"max_age": "1d"}), host)
    assert refusal(wanted(budget={"max_age": "2d"}), host) == ""
    assert refusal(None, host) == ""
    on_kafka = HostSettings.model_validate({"kafka": {"bootstrap_servers": "k:9092"}})
    assert refusal(wanted(budget={"max_age": "1s"}), on_kafka) == ""


async def test_kafka_is_asked_for_what_its_topics_keep(kafka_server: Kafka, unique_name: str) -> None:
    """As they are, not as we would make them; a topic that is not there yet will be made as we make it."""
    kafka = {"bootstrap_servers": kafka_server.bootstrap_servers, "namespace": unique_name, "single_broker": True}
    host = HostSettings.model_validate({"kafka": kafka})
    await make_topic(kafka_server, f"{unique_name}.analytics.v1", retention_ms="7200000")
    await make_topic(kafka_server, f"{unique_name}.budget.v1", retention_ms="-1")
    expected = {"proxy_log": 7 * DAY, "analytics": 7_200.0, "budget": None}
    async with asyncio.timeout(SECONDS):
        while (found := await floors_of(host)) != expected:
            assert found["proxy_log"] == 7 * DAY
            await asyncio.sleep(0.05)


async def test_a_kafka_that_does_not_answer_forbids_everything() -> None:
    """What it keeps is not known."""
    nobody = {"bootstrap_servers": "127.0.0.1:1", "request_timeout_seconds": 1}
    with pytest.raises(EventLogError):
        await floors_of(HostSettings.model_validate({"kafka": nobody}))
