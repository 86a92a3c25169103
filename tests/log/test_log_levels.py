"""level: a logger's level is changed in live processes, and in those that come meanwhile, and put back."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator

import pytest

from limpet_supervisor.wire import messages as m
from support.agent import BOUND, Child, Daemon, Peer, daemon, until
from support.interpreters import interpreters
from support.node import Node, running

APPLICATION = """
import logging, os, sys, threading
logging.basicConfig(level="WARNING")
shop = logging.getLogger("shop")
deep = logging.getLogger("shop.db.pool")
other = logging.getLogger("shop.db.pool.inner")
assert not shop.isEnabledFor(logging.DEBUG)  # the logger keeps that, and is to forget it
print("up", flush=True)
for line in sys.stdin:
    exec(line)
    print(shop.level, shop.isEnabledFor(logging.DEBUG), deep.level, logging.root.level, flush=True)
"""
BEFORE = "0 False 0 30"


@contextlib.contextmanager
def application(python: str) -> Iterator[tuple[Daemon, Child, Peer]]:
    """An application that logs, and its agent."""
    with daemon(python) as made:
        child = made.code(APPLICATION)
        peer = made.accept().load()
        assert child.hear() == "up"
        yield made, child, peer


def levels(child: Child, code: str = "pass") -> str:
    """What the application sees, after it has run a line of code."""
    child.say(code)
    return child.hear()


@pytest.mark.parametrize("python", interpreters())
def test_a_level_is_set_at_once_and_put_back_when_its_time_is_over(python):
    with application(python) as (_, child, peer):
        assert levels(child) == BEFORE
        (row,) = peer.ask("level", logger="shop", level=10, seconds=3600.0).data["rows"]
        assert (row["logger"], row["level"], row["before"], row["note"]) == ("shop", "debug", "notset", "")
        assert 3500 < row["left"] <= 3600
        assert levels(child) == "10 True 0 30"
        peer.ask("level", logger="shop", level=10, seconds=0.05)
        until(lambda: levels(child) == BEFORE, "the end of its time")
        assert [
            row["logger"] for row in peer.ask("level", logger="", level=None, seconds=0.0).data["rows"]
        ] == ["root"]


def test_levels_are_put_back_when_the_daemon_is_gone():
    with application(sys.executable) as (made, child, peer):
        peer.ask("level", logger="", level=10, seconds=3600.0)
        assert levels(child) == "0 True 0 10"
        made.vanish()
        until(lambda: levels(child) == BEFORE, "the loss of the connection")


@pytest.mark.parametrize("python", interpreters())
def test_the_child_of_a_fork_begins_with_the_levels_from_before_and_is_told_for_itself(python):
    fork = "pid = os.fork()"
    with application(python) as (made, child, peer):
        peer.ask("level", logger="shop", level=10, seconds=3600.0)
        child.say(f"{fork}; pid or print(os.getpid(), shop.level, shop.isEnabledFor(10), flush=True)")
        heard = [child.hear() for _ in range(3)]
        (said,) = [line for line in heard if len(line.split()) == 3]
        number, level, enabled = said.split()
        assert (level, enabled) == ("0", "False")
        assert "10 True 0 30" in heard
        forked = made.accept_pid(int(number)).load()
        (row,) = forked.ask("level", logger="shop", level=10, seconds=60.0).data["rows"]
        assert row["before"] == "notset"
        os.kill(int(number), 9)


def test_what_the_application_sets_meanwhile_stays():
    with application(sys.executable) as (_, child, peer):
        peer.ask("level", logger="shop", level=10, seconds=3600.0)
        assert levels(child, "shop.setLevel('ERROR')") == "40 False 0 30"
        peer.ask("level", logger="shop", level="reset", seconds=0.0)
        assert levels(child) == "40 False 0 30"


def test_no_lock_of_the_applications_is_waited_for():
    with application(sys.executable) as (_, child, peer):
        levels(child, "hold = lambda: (logging._lock.acquire(), threading.Event().wait())")
        levels(child, "threading.Thread(target=hold, daemon=True).start()")
        assert peer.ask("level", logger="shop", level=40, seconds=60.0).re == "level"
        assert peer.ask("level", logger="", level=None, seconds=0.0).re == "level"


def test_a_name_without_a_logger_means_those_below_it_and_an_unknown_one_is_an_error():
    with application(sys.executable) as (_, child, peer):
        rows = peer.ask("level", logger="shop.db", level=10, seconds=60.0).data["rows"]
        assert [row["logger"] for row in rows] == ["shop.db.pool"]
        assert rows[0]["note"].startswith("there is no logger shop.db itself")
        assert (
            "itself" not in peer.ask("level", logger="shop", level=20, seconds=60.0).data["rows"][0]["note"]
        )
        assert "itself" not in peer.ask("level", logger="", level=20, seconds=60.0).data["rows"][0]["note"]
        peer.ask("level", logger="", level="reset", seconds=0.0)
        peer.ask("level", logger="shop.db", level=10, seconds=60.0)
        assert levels(child) == "0 False 10 30"
        refused = peer.ask("level", logger="shop.dbx", level=10, seconds=60.0)
        assert refused.re == "error"
        assert refused.error.startswith("there is no logger shop.dbx yet; there is shop, shop.db.pool")


def test_a_process_that_has_just_begun_gets_its_levels_once_its_loggers_are_there():
    """Its agent says hello before the application has imported anything."""
    with application(sys.executable) as (_, child, peer):
        assert peer.ask("level", logger="late", level=10, seconds=60.0, awaited=True).data["rows"] == []
        levels(child, "late = logging.getLogger('late')")
        until(lambda: levels(child, "print(end=f'{late.level} ')").startswith("10 "), "the look for it")
        peer.ask("level", logger="", level="reset", seconds=0.0)
        assert levels(child, "print(end=f'{late.level} ')").startswith("0 ")


def test_it_is_said_why_records_are_not_seen_all_the_same():
    with application(sys.executable) as (_, child, peer):
        levels(child, "logging.root.handlers[0].setLevel('ERROR')")
        (row,) = peer.ask("level", logger="shop", level=10, seconds=60.0).data["rows"]
        assert row["note"] == "its handlers take nothing below error"
        levels(child, "logging.disable(20)")
        (row,) = peer.ask("level", logger="shop", level=10, seconds=60.0).data["rows"]
        assert row["note"] == "logging.disable(20) keeps them from being logged"


def test_a_process_that_does_not_log_says_so():
    with daemon(sys.executable) as made:
        made.code("import sys; sys.stdin.read()")
        answer = made.accept().load().ask("level", logger="", level=None, seconds=0.0)
        assert answer.error == "the process does not use logging"


# -- a node -----------------------------------------------------------------------------------------------

TOML = """
[processes.web]
command = ["{python}", "app.py"]
instances = 2
"""
APP = """
import logging, os, signal
logging.basicConfig(level="INFO")
logging.getLogger("shop")
def fork(*_):
    if not os.fork():
        signal.pause()
signal.signal(signal.SIGUSR1, fork)
while True: signal.pause()
"""


def level_in(made: Node, process: str) -> str:
    """The level of the logger `shop` in a process, once it has an agent."""
    found = made.limpet("rpc", "__import__('logging').getLogger('shop').level", "--process", process)
    return found.stdout.strip() or found.stderr


def test_every_process_of_a_name_is_told_and_those_that_come_meanwhile(tmp_path):
    del tmp_path
    with running(TOML.format(python=sys.executable), files={"app.py": APP}) as made:
        wait(lambda: all(level_in(made, name) == "0" for name in ("web.1", "web.2")))
        done = made.limpet("ctl", "level", "web", "shop", "debug", "10m")
        assert done.returncode == 0, done.stderr
        header, *rows = done.stdout.splitlines()
        assert header.split() == ["PROCESS", "LOGGER", "LEVEL"]
        assert [row.split()[:3] for row in rows] == [[f"web.{k}", "shop", "debug"] for k in (1, 2)]
        assert "for 10m, then notset" in rows[0] or "for 9m 59s, then notset" in rows[0]
        assert level_in(made, "web.2") == "10"
        made.limpet("ctl", "scale", "web", "3")
        wait(lambda: level_in(made, "web.3") == "10")
        made.limpet("ctl", "signal", "USR1", "web.1")
        with made.client() as client:
            wait(lambda: len(client.request(m.Status(names=("web.1",))).agents) == 2)
            member = client.request(m.Status(names=("web.1",))).agents[1]
        wait(lambda: level_in(made, member) == "10")
        listed = json.loads(made.limpet("ctl", "level", "web.1", "--json").stdout)
        assert {line["logger"] for line in listed["loggers"]} == {"root", "shop"}
        made.limpet("ctl", "level", "web", "reset")
        assert [level_in(made, name) for name in ("web.1", "web.3", member)] == ["0", "0", "0"]
        made.limpet("ctl", "scale", "web", "4")
        wait(lambda: level_in(made, "web.4") == "0")
        events = made.limpet("events").stdout
        assert "level of shop to debug in web for 600s" in events


def test_what_is_no_level_no_time_or_no_logger_is_said():
    with running(TOML.format(python=sys.executable), files={"app.py": APP}) as made:
        wait(lambda: level_in(made, "web.1") == "0")
        for words, error in (
            (["web", "shop", "loud"], "There is no level 'loud'. say debug"),
            (["web", "shop", "debug", "2d"], "is no time for a level"),
            (["web.1", "shopp", "debug"], "web.1: there is no logger shopp yet; there is "),
            (["nobody"], "There is no process nobody"),
        ):
            done = made.limpet("ctl", "level", *words)
            assert done.returncode != 0
            assert error in done.stderr


def wait(condition) -> None:
    """Until the condition holds; each look at it takes its time by itself."""
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end
