"""What several workers say of a service becomes what is true of all: sums, the worst of states, and who said it."""

from __future__ import annotations

import copy
from typing import Any

from collectors.workers.merging import merged, merged_configuration, merged_list, merged_services

WELL: dict[str, Any] = {
    "live": True, "ready": True, "halted": False, "paused": False, "progressing": True,
    "oldest_unfinished_seconds": 1.5, "causes": {},
}  # fmt: skip
STANDING: dict[str, Any] = {
    "service": "s", "group": "sluice.s", "collectors": ["s"], "state": "running", "live": True, "ready": True,
    "halted": False, "paused": False, "causes": {}, "assignment": ["t/1"], "lag_records": 3,
    "lag_by_partition": {"t/1": 3}, "lag_seconds": 2.0, "seconds_to_loss": 100.0, "oldest_unfinished_seconds": 0.5,
    "records_per_second": 10.0, "outcomes": {"delivered": 5}, "retries": {}, "dead_letters": {}, "last_error": None,
}  # fmt: skip


def test_one_that_is_unwell_makes_all_so() -> None:
    """Live and ready are of all, halted and paused of any; each cause says whose it is."""
    bad = {
        **WELL,
        "live": False,
        "ready": False,
        "halted": True,
        "oldest_unfinished_seconds": 9,
        "causes": {"sink": "401"},
    }
    found = merged_services([(0, {"services": {"s": WELL}}), (2, {"services": {"s": bad}})])
    assert found == {
        "s": {**WELL, "live": False, "ready": False, "halted": True, "oldest_unfinished_seconds": 9,
              "causes": {"worker 2: sink": "401"}}
    }  # fmt: skip


def test_counts_are_added() -> None:
    """Lags, rates and outcomes are sums; ages the greatest, and what is left until loss the least."""
    other = copy.deepcopy(STANDING) | {
        "assignment": ["t/0"], "lag_records": 4, "lag_by_partition": {"t/0": 4}, "lag_seconds": None,
        "seconds_to_loss": 50.0, "records_per_second": None, "outcomes": {"delivered": 2, "filtered": 1},
        "state": "paused", "paused": True, "last_error": {"where": "sink", "reason": "away", "seconds_ago": 3.0},
    }  # fmt: skip
    found = merged([(0, STANDING), (1, other)])
    assert found["assignment"] == ["t/0", "t/1"]
    assert (found["lag_records"], found["lag_by_partition"]) == (7, {"t/1": 3, "t/0": 4})
    assert (found["lag_seconds"], found["seconds_to_loss"], found["records_per_second"]) == (2.0, 50.0, 10.0)
    assert found["outcomes"] == {"delivered": 7, "filtered": 1}
    assert (found["state"], found["paused"], found["workers"]) == ("paused", True, {"0": "running", "1": "paused"})
    assert found["last_error"] == {"where": "sink", "reason": "away", "seconds_ago": 3.0}


def test_what_nobody_knows_stays_unknown() -> None:
    """A sum of nothing is not zero."""
    unknown = {**STANDING, "records_per_second": None, "seconds_to_loss": None, "lag_seconds": None}
    found = merged([(0, unknown), (1, unknown)])
    assert (found["records_per_second"], found["seconds_to_loss"], found["lag_seconds"]) == (None, None, None)


def test_services_that_not_all_have_are_there() -> None:
    """As while a configuration is taken up: in the order of whoever has them."""
    one, two = {**STANDING, "service": "a"}, {**STANDING, "service": "b"}
    found = merged_list([(0, {"services": [one]}), (1, {"services": [one, two]})])
    assert [each["service"] for each in found] == ["a", "b"]
    assert found[1]["workers"] == {"1": "running"}
    assert merged_list([]) == []


def test_the_configuration_that_is_stale_is_shown() -> None:
    """With whose it is, and with all versions that run."""
    good, bad = {"state": "current", "version": "a"}, {"state": "refused", "version": "b"}
    assert merged_configuration([(0, {"configuration": good}), (1, {"configuration": bad})]) == {
        "state": "refused", "version": "b", "worker": 1, "versions": ["a", "b"],
    }  # fmt: skip
    assert merged_configuration([(0, {"configuration": good})]) == {**good, "worker": 0, "versions": ["a"]}
    assert merged_configuration([(0, {})]) is None
