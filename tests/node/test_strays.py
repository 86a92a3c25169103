"""Stop means gone: also who has left the process's tree, its group and its session."""

from pathlib import Path

import pytest

from limpet_supervisor.wire import messages as m
from support.node import running

GETS_AWAY = """
[processes.a]
command = ["sh", "-c", "(setsid sh -c 'echo $$$$ > %s/pid; exec sleep 1000' &); exec sleep 1000"]
shutdown = "%s"
ready = { exec = ["test", "-s", "%s/pid"] }
[processes.b]
command = ["sleep", "1000"]
"""


@pytest.mark.parametrize("shutdown", ["10s", "brutal_kill"])
def test_a_process_that_got_away_is_gone_when_stop_says_so(tmp_path: Path, shutdown: str) -> None:
    with running(GETS_AWAY % (tmp_path, shutdown, tmp_path)) as made:
        away = int((tmp_path / "pid").read_text())
        assert away in made.descendants()
        made.request(m.StopProcess(name="a"))
        assert made.descendants() == [made.status()["b.1"].pid]
