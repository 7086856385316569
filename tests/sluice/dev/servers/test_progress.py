"""How a start tells what it does."""

from __future__ import annotations

from sluice.dev.servers import Step


def test_a_step_reads_as_a_line() -> None:
    """Progress says what is done for whom, in megabytes where something is downloaded."""
    assert str(Step("Kafka", "starting")) == "Kafka: starting"
    assert str(Step("Kafka", "downloading", 12_500_000, 45_000_000)) == "Kafka: downloading (12 MB of about 45 MB)"
    assert str(Step("Kafka", "downloading", 46_000_000, 45_000_000)) == "Kafka: downloading (46 MB)"
