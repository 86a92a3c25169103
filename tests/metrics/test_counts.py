"""What has happened to each instance, counted as long as there is such a one."""

from limpet_supervisor.daemon.counts import Counts
from limpet_supervisor.model.status import Event


def test_ends_are_counted_by_instance_and_cause_and_go_with_the_instance() -> None:
    """Instances that come and go under names of their own must not pile up in a node that runs for months."""
    counts = Counts()
    for kind, process, detail in (
        ("started", "web.1", {}),
        ("exited", "web.1", {"code": 1, "signal": None}),
        ("exited", "web.1", {"code": None, "signal": "SIGKILL", "cause": "uses 2G: above max_memory"}),
        ("start_failed", "job.7", {}),
    ):
        counts.heard(Event(at=0.0, kind=kind, process=process, pid=1, text="", detail=detail))
    assert counts.ends("web.1") == {"crash": 1, "memory": 1}
    assert counts.ends("job.7") == {"not_started": 1}
    assert counts.starts["web.1"] == 1
    counts.heard(Event(at=0.0, kind="removed", process="web.1", pid=None, text="", detail={}))
    assert (counts.ends("web.1"), counts.starts["web.1"], counts.ends("job.7")) == ({}, 0, {"not_started": 1})
