"""Tests of ``sluice.usage.labels``: what an event was priced by, written and read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sluice.usage.labels import PricedBy, priced_labels


@given(
    st.text(min_size=1, max_size=20), st.sampled_from(["openai", "azure"]), st.integers(1, 10**9),
    st.sampled_from(["", "batch", "batch_tier"]),
)  # fmt: skip
def test_what_is_written_is_read(model: str, vendor: str, tools: int, batch: str) -> None:
    """Whatever a client calls its model."""
    labels = ["team:a", *priced_labels(model, vendor, tools, batch, 256), "usage:wrong_type"]
    assert PricedBy.of(labels) == PricedBy(
        model, vendor, tools, batch == "batch", batch == "batch_tier", problem="wrong_type"
    )


def test_nothing_is_written_of_what_fields_say() -> None:
    """Nearly all exchanges have none."""
    assert priced_labels(None, None, None, "", 256) == []
    assert PricedBy.of(["team:a", "priced", "price:model=x"]) == PricedBy()


def test_labels_have_a_bound() -> None:
    """Models are named by clients."""
    assert [len(each) for each in priced_labels("x" * 5_000, "y" * 5_000, None, "", 100)] == [100, 100]


@given(st.lists(st.text(max_size=30).map(lambda text: f"priced:{text}")))
def test_labels_that_somebody_else_wrote_say_nothing_impossible(labels: list[str]) -> None:
    """A count that is none, a name that is empty: as if it were not there."""
    found = PricedBy.of([*labels, "priced:tools=-1", "priced:tools=٣", "priced:model=", f"priced:tools={'9' * 30}"])
    assert found.tools is None or found.tools >= 0
    assert found.model != ""
