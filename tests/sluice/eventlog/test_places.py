"""Where journals lie: every name has a folder of its own below ``data_dir``, and none leads out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.eventlog.places import all_journals, collector_journal, gateway_journal, group_lock

DATA = Path("/data")
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    [".", "..", "...", "%2E", "a/.."]
)


@given(names.filter(lambda name: name != "collectors"), names)
@settings(deadline=None)
def test_any_name_is_one_folder(gateway_id: str, worker: str) -> None:
    """Dots, slashes and NULs too: exactly three levels below the data, whatever a gateway is called."""
    for path in (gateway_journal(DATA, gateway_id, worker), collector_journal(DATA, worker)):
        assert path.parent.parent == DATA / "journals"
        assert not {".", ".."} & set(path.parts)
        assert "\0" not in str(path)
    lock = group_lock(DATA, worker)
    assert lock.parent == DATA / "locks"
    assert "\0" not in str(lock)


@given(st.lists(names.filter(lambda name: name != "collectors"), min_size=2, max_size=2, unique=True), names)
@settings(deadline=None)
def test_different_names_have_different_places(pair: list[str], other: str) -> None:
    """Two gateways, two workers, two services or two groups never share one."""
    one, two = pair
    assert gateway_journal(DATA, one, other) != gateway_journal(DATA, two, other)
    assert gateway_journal(DATA, "g", one) != gateway_journal(DATA, "g", two)
    assert collector_journal(DATA, one) != collector_journal(DATA, two)
    assert group_lock(DATA, one) != group_lock(DATA, two)


def test_a_gateway_may_not_be_called_like_the_collectors_folder() -> None:
    """Its journals would be taken for collectors': refused with the setting to change."""
    with pytest.raises(ValueError, match=r"gateway\.id: collectors .* choose another"):
        gateway_journal(DATA, "collectors", "w0")
    assert gateway_journal(DATA, "Collectors", "w0") != collector_journal(DATA, "w0")


def test_ordinary_names_are_left_readable() -> None:
    """Operators look there."""
    assert gateway_journal(DATA, "gateway-1", "w0") == Path("/data/journals/gateway-1/w0")
    assert collector_journal(DATA, "es") == Path("/data/journals/collectors/es")
    assert group_lock(DATA, "sluice.es") == Path("/data/locks/group-sluice.es.lock")


def test_all_journals_are_found_in_a_steady_order(tmp_path: Path) -> None:
    """Gateways' and collectors', only folders, and nothing where nothing was written."""
    assert all_journals(tmp_path) == []
    made = [
        gateway_journal(tmp_path, "..", "w1"),
        gateway_journal(tmp_path, "g/1", "w0"),
        gateway_journal(tmp_path, "g", "w10"),
        gateway_journal(tmp_path, "g", "w2"),
        collector_journal(tmp_path, "es"),
    ]
    for path in made:
        (path / "groups").mkdir(parents=True)
    (tmp_path / "journals" / "README").touch()
    (tmp_path / "journals" / "g" / "file").touch()
    group_lock(tmp_path, "es").parent.mkdir()
    assert all_journals(tmp_path) == sorted(made)
    assert all_journals(tmp_path) == all_journals(tmp_path)
