"""What a process finds when it starts, and what operators may do with it."""

import os
import pwd
import signal
import socket
import threading

import pytest

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.runtime import procfs
from limpet_supervisor.wire import messages as m
from support.children import crash, keeps_diary, pid_of, python, shell, sleeps, until_written
from support.node import node, running

TELL = "echo told; exec sleep 1000"
TOLD = 'ready = { log = "told" }'


def told(made) -> list[str]:
    return (made.directory / "out").read_text().splitlines()


def test_environment_of_the_process_of_the_file_and_of_the_node():
    rest = TOLD + '\nenv_file = "my.env"\nenv = { A = "1", B = "two words", C = "${HOME}" }'
    script = f'echo "$A|$B|$C|$D|$LIMPET_NODE|$LIMPET_PROCESS|$LIMPET_INSTANCE" > out; {TELL}'
    files = {"my.env": "A=ignored\nD='from the file'\n"}
    with running(shell("a", script, rest), files=files) as made:
        home = os.environ["HOME"]
        assert told(made) == [f"1|two words|{home}|from the file|node|a.1|1"]


def test_no_variable_of_the_service_manager_reaches_a_process():
    theirs = {
        "NOTIFY_SOCKET": "/nowhere",
        "LISTEN_FDS": "1",
        "LISTEN_PID": "1",
        "WATCHDOG_USEC": "1",
        "RELEASE_COOKIE": "s",
    }
    with running(shell("a", f"env > out; {TELL}", TOLD), environ={**theirs, "NOTIFY_SOCKET": ""}) as made:
        names = {line.partition("=")[0] for line in told(made)}
        assert not names & set(theirs)


def test_directory_umask_and_niceness():
    rest = TOLD + '\ncwd = "below"\numask = "027"\nnice = 3'
    script = f"{{ pwd; umask; nice; }} > ../out; {TELL}"
    with running(shell("a", script, rest), files={"below/file": ""}) as made:
        directory, umask, nice = told(made)
        assert os.path.samefile(directory, made.directory / "below")
        assert int(umask, 8) == 0o027
        assert int(nice) == os.nice(0) + 3


def test_limits():
    script = f"{{ ulimit -n; ulimit -c; }} > out; {TELL}"
    with running(shell("a", script, TOLD + "\nlimits = { nofile = 123, core = 0 }")) as made:
        assert told(made) == ["123", "0"]


def test_without_limits_a_process_has_those_that_the_node_was_given():
    import resource

    with running(shell("a", f"ulimit -n > out; {TELL}", TOLD)) as made:
        assert told(made) == [str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])]


def test_a_process_leads_a_session_of_its_own_and_reads_nothing():
    script = f"{{ ps -o sid= -p $$; echo $$; cat; readlink /proc/$$/fd/0; }} > out; {TELL}"
    with running(shell("a", script, TOLD)) as made:
        session, pid, standard_input = told(made)
        assert session.strip() == pid
        assert standard_input == "/dev/null"


def test_a_process_inherits_no_descriptor_but_its_own():
    script = f"ls /proc/$$/fd > out; {TELL}"
    with running(shell("a", script, TOLD) + '[sockets.x]\nbind = "unix:${RELEASE_TMP}/x"\n') as made:
        assert set(told(made)) <= {"0", "1", "2", "10"}, "10 is the shell's own"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_process_of_another_user():
    rest = TOLD + '\nuser = "nobody"'
    with running(shell("a", 'id -un; id -Gn; echo "$HOME $USER"; ' + TELL, rest)) as made:
        shown = made.limpet("logs", "a.1").stdout
        assert "nobody" in shown
        assert f"{os.path.expanduser('~nobody')} nobody" in shown
        pid = pid_of(made, "a.1")
        assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid
        made.request(m.StopProcess(name="a"))
        assert made.status()["a.1"].state == "stopped"


SERVE = """\
import os, socket
listener = socket.socket(fileno=3)
open("serving", "a").write(f"{os.getpid()}\\n")
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


def test_a_connection_made_while_its_process_restarts_is_served_by_the_next():
    toml = '[sockets.http]\nbind = "unix:${RELEASE_TMP}/s"\n' + python("a", SERVE, 'sockets = ["http"]')
    with running(toml) as made:
        until_written(made.directory / "serving")
        first = pid_of(made, "a.1")
        os.kill(first, signal.SIGSTOP)
        made.wait_for(lambda: (facts := procfs.stat(first)) is not None and facts.state == "T")
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.settimeout(30)
            waiting.connect(str(made.directory / "run" / "s"))
            os.kill(first, signal.SIGKILL)
            served_by = int(waiting.recv(100))
        assert served_by != first
        assert served_by == pid_of(made, "a.1")


def test_sockets_are_told_as_sd_listen_fds_does():
    toml = '[sockets.one]\nbind = "unix:${RELEASE_TMP}/x"\n[sockets.two]\nbind = "unix:${RELEASE_TMP}/two"\n'
    script = f'echo "$LISTEN_FDS $LISTEN_FDNAMES $LISTEN_PID $$" > out; {TELL}'
    with running(toml + shell("a", script, TOLD + '\nsockets = ["two"]')) as made:
        count, names, pid, own = told(made)[0].split()
        assert (count, names) == ("2", "one:two")
        assert pid == own


def test_scaling_keeps_the_pids_of_the_others():
    with running(sleeps("a", "instances = 2")) as made:
        before = {name: line.pid for name, line in made.status().items()}
        assert made.limpet("ctl", "scale", "a", "+2").returncode == 0
        up = {name: line.pid for name, line in made.status().items()}
        assert list(up) == ["a.1", "a.2", "a.3", "a.4"]
        assert {name: up[name] for name in before} == before
        made.request(m.Scale(name="a", to="1"))
        assert {name: line.pid for name, line in made.status().items()} == {"a.1": before["a.1"]}


def test_scaling_to_nonsense_is_refused():
    with running(sleeps("a")) as made:
        for to in ("-2", "many", "100000"):
            with pytest.raises(LimpetError):
                made.request(m.Scale(name="a", to=to))
        assert list(made.status()) == ["a.1"]


def test_a_process_is_added_and_removed():
    with running(sleeps("a")) as made:
        made.request(m.AddProcess(name="b", table={"command": ["sleep", "1000"], "instances": 2}))
        status = made.status()
        assert list(status) == ["a.1", "b.1", "b.2"]
        pids = [status["b.1"].pid, status["b.2"].pid]
        made.request(m.RemoveProcess(name="b"))
        assert list(made.status()) == ["a.1"]
        for pid in pids:
            assert not os.path.exists(f"/proc/{pid}")


def test_one_that_others_are_after_is_not_removed():
    with running(sleeps("a") + sleeps("b", 'after = ["a"]')) as made:
        with pytest.raises(LimpetError, match="a cannot be removed"):
            made.request(m.RemoveProcess(name="a"))
        assert set(made.status()) == {"a.1", "b.1"}


def test_stop_start_and_what_is_wanted():
    with running(keeps_diary("a") + sleeps("b")) as made:
        made.request(m.StopProcess(name="a"))
        assert made.status()["a.1"].state == "stopped"
        made.request(m.StartProcess(name="a"))
        assert made.status()["a.1"].state == "running"


def test_a_signal_reaches_the_process():
    script = "trap 'echo got it > out' HUP; echo told; while :; do sleep 1000 & wait $!; kill $!; done"
    with running(shell("a", script, TOLD)) as made:
        assert made.limpet("ctl", "signal", "HUP", "a").returncode == 0
        until_written(made.directory / "out")
        with pytest.raises(LimpetError):
            made.request(m.Signal(name="a", signal="NONSENSE"))


def test_commands_to_different_processes_do_not_wait_for_each_other():
    deaf = "trap '' TERM; echo told; while :; do sleep 1; done"
    with running(shell("deaf", deaf, TOLD + '\nshutdown = "1h"') + sleeps("b")) as made:
        stopping = threading.Thread(target=lambda: made.limpet("ctl", "stop", "deaf"))
        stopping.start()
        made.wait_event("stopping", "deaf.1")
        made.request(m.RestartProcess(name="b"))
        assert made.status()["b.1"].restarts == 1
        assert made.status()["deaf.1"].state == "stopping"
        crash(made, "deaf.1")
        stopping.join()


def test_output_of_both_streams_is_kept_to_the_last_word():
    script = 'for n in 1 2 3; do echo "out $n"; echo "err $n" >&2; done; printf "last words"; kill -SEGV $$'
    with node(shell("a", script, 'restart = "temporary"') + sleeps("b")) as made:
        made.start().wait_ready()
        made.wait_event("exited", "a.1")
        death = made.request(m.Why(name="a")).deaths[0]
        assert death.exit.signal == "SIGSEGV"
        said = ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", "last words"]
        assert list(death.last_lines) == said
        assert made.limpet("logs", "a.1").stdout.splitlines() == said
        assert made.stop() == 0
        shown = [line for line in made.lines if "out 2" in line or "last words" in line]
        assert len(shown) == 2
        assert all(line.startswith("a.1") for line in shown)


def test_a_flood_neither_loses_lines_nor_keeps_the_node_from_answering():
    flood = "i=0; while [ $i -lt 300000 ]; do echo $i; i=$((i+1)); done; echo the end; exec sleep 1000"
    log = 'log = { max_bytes = "64MiB" }'
    with node(shell("a", flood, 'ready = { log = "the end" }\n' + log) + sleeps("b")) as made:
        made.start()
        made.request(m.RestartProcess(name="b"))
        made.wait_ready()
        assert made.stop() == 0
        lines = (made.directory / "run" / "node" / "log" / "a.1.log").read_text().splitlines()
        assert lines == [*map(str, range(300_000)), "the end"]
