"""What fails in an application's telemetry is seen at its node: in `status`, and as events."""

import json
import os
import signal

from support.node import PYTHON, Node, running

APP = """
import os, time
from limpet import telemetry
from limpet.telemetry import dispatch

dispatch.FIRST_DELAY = 0.05
calls = 0

class Id:
    def __hash__(self):
        return 1
    def __repr__(self):
        return "<id>"

def totals(event, measurements, metadata, config):
    global calls
    calls += 1
    if calls <= 5:
        raise KeyError("postgres://shop:hunter2@db/shop")

def grumpy(event, measurements, metadata, config):
    if os.path.exists("grumpy"):
        raise ValueError("not today")

def size():
    if os.path.exists("full"):
        raise OSError("no space")

telemetry.attach("totals", ("shop", "order"), totals)
telemetry.attach(Id(), ("shop", "refund"), grumpy)
telemetry.poll(size, every="50ms")
if os.path.exists("fork"):
    os.fork()
while True:
    telemetry.execute(("shop", "order"), {"cents": 4200})
    telemetry.execute(("shop", "refund"), {"cents": 100})
    time.sleep(0.005)
"""
TOML = f'[processes.web]\ncommand = ["{PYTHON}", "app.py"]\nshutdown = "1s"\n'


def failing(made: Node) -> dict[str, str]:
    """Whatever fails at present, by its id: its reason."""
    return {each.id: each.reason for each in made.status()["web.1"].failures if each.quarantined}


def test_a_handler_that_fails_and_heals_in_an_application_of_telemetry_only() -> None:
    with running(TOML, files={"app.py": APP}) as made:
        failed = made.wait_event("handler_failed", "web.1", text="totals")
        assert (
            "telemetry handler totals fails and is left out: KeyError: 'postgres://shop:***@" in failed.text
        )
        assert failed.detail["events"] == ["shop.order"]
        healed = made.wait_event("handler_recovered", "web.1", text="totals")
        assert (healed.detail["failed"], healed.detail["quarantined"]) == (5, False)
        assert healed.detail["missed"] > 0
        assert healed.pid == failed.pid == made.status()["web.1"].pid
        (told,) = made.status()["web.1"].failures
        assert (told.id, told.process, told.quarantined, told.failed) == ("totals", "web.1", False, 5)
        kinds = made.limpet("events").stdout
        assert kinds.count("handler_failed") == kinds.count("handler_recovered") == 1, "once, not per failure"


def test_status_says_what_fails_as_long_as_it_does() -> None:
    with running(TOML, files={"app.py": APP}) as made:
        made.wait_event("handler_recovered", "web.1", text="totals")
        for name in ("grumpy", "full"):
            (made.directory / name).touch()
        made.wait_for(
            lambda: failing(made) == {"<id>": "ValueError: not today", "poll size": "OSError: no space"}
        )
        facts = json.loads(made.limpet("status", "--json").stdout)["processes"][0]["failures"]
        assert {each["id"]: each["events"] for each in facts if each["quarantined"]} == {
            "<id>": ["shop.refund"],
            "poll size": [],
        }
        for name in ("grumpy", "full"):
            (made.directory / name).unlink()
        made.wait_for(lambda: failing(made) == {})
        made.wait_event("handler_recovered", "web.1", text="telemetry poll size works again")
        made.wait_event("handler_recovered", "web.1", text="telemetry handler <id> works again")


def test_what_fails_in_a_fork_is_the_forks_and_goes_with_it() -> None:
    with running(TOML, files={"app.py": APP, "fork": "", "grumpy": ""}) as made:

        def tellers() -> set[str]:
            return {each.process for each in made.status()["web.1"].failures if each.id == "<id>"}

        made.wait_for(lambda: len(tellers()) == 2)
        (fork,) = tellers() - {"web.1"}
        os.kill(int(fork.partition("/")[2]), signal.SIGKILL)
        made.wait_for(lambda: tellers() == {"web.1"})
