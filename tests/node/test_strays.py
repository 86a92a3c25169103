"""Stop means gone: also who has left the process's tree, its group and its session."""

from pathlib import Path

import pytest

from limpet_supervisor.wire import messages as m
from support.children import alive, crash, shell, until_written
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


def test_of_a_crash_beside_many_others_nothing_is_left_either() -> None:
    """With many children as with few: also who has left group and session."""
    many = '[processes.b]\ncommand = ["sleep", "1000"]\ninstances = 120\n'
    away = "(setsid sh -c 'echo $$ >> pid; exec sleep 1000' &); exec sleep 1000"
    with running(shell("a", away, 'ready = { exec = ["test", "-s", "pid"] }') + many) as made:
        (stray,) = until_written(made.directory / "pid")
        crash(made, "a.1")
        made.wait_event("ready", "a.1", count=2)
        until_written(made.directory / "pid", 2)
        assert not alive(int(stray))
