"""CPU time and proportional memory of instances: all that is below them, and no scrape held up by it."""

from types import SimpleNamespace

import pytest

from limpet_supervisor.daemon import metrics
from limpet_supervisor.runtime import procfs

BELOW = {1: [11, 12], 2: [21]}
PIDS = {"web.1": 1, "job.1": 2}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Five processes, of which each has used a second and has 100 bytes; whose memory was walked."""
    walked: list[int] = []

    def proportional(pid: int) -> int:
        walked.append(pid)
        return 100

    spent = SimpleNamespace(ticks=procfs.TICKS_PER_SECOND, waited=0)
    monkeypatch.setattr(procfs, "children", lambda pid: BELOW[pid])
    monkeypatch.setattr(procfs, "stat", lambda _pid: spent)
    monkeypatch.setattr(procfs, "proportional", proportional)
    return walked


def test_memory_is_walked_once_a_minute(asked: list[int]) -> None:
    pss: dict[int, tuple[float, int]] = {7: (0.0, 5)}
    for now in (100.0, 115.0):
        assert metrics._kernel(PIDS, now, pss) == {"web.1": (3.0, 300), "job.1": (2.0, 200)}
    assert sorted(asked) == [1, 2, 11, 12, 21]
    assert 7 not in pss, "what is gone is forgotten"
    metrics._kernel(PIDS, 161.0, pss)
    assert len(asked) == 10


def test_where_walking_it_takes_long_each_has_its_turn_in_a_later_scrape(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many large processes it took longer than a scrape may: there were no metrics at all."""
    monkeypatch.setattr(metrics, "_PSS_WITHIN", 0.0)
    pss: dict[int, tuple[float, int]] = {}
    assert metrics._kernel(PIDS, 100.0, pss) == {"web.1": (3.0, 100), "job.1": (2.0, None)}
    for later in range(1, 10):
        metrics._kernel(PIDS, 100.0 + 15 * later, pss)
    assert len(asked) == 10
    assert [asked.count(pid) for pid in (1, 2, 11, 12, 21)] == [2] * 5
