"""The bookshop as a service of a real systemd, installed as `limpet gen systemd` says."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bookshop import ORIGINAL, ROOT, requires_bookshop
from support.systemd import Machine, booted, requires_systemd

pytestmark = [pytest.mark.root, pytest.mark.system, requires_systemd, requires_bookshop]

UNIT = "bookshop.service"
LIMPET = (sys.executable, "-m", "limpet_shell")
ENVIRONMENT = "DATABASE_URL=sqlite:////var/lib/limpet/bookshop/shop.db\nSECRET_KEY_BASE=of the test\n"
HEALTH = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:4000/health').status)"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with the bookshop in /srv, its unit installed by the printed steps."""
    with booted(ROOT) as machine:
        shop = machine.root / "srv/bookshop"
        ignored = shutil.ignore_patterns(".venv", "var", "__pycache__", "systemd")
        shutil.copytree(ORIGINAL, shop, ignore=ignored)
        (shop / ".venv").symlink_to(ORIGINAL / ".venv")
        for path in Path(sys.executable).resolve().parents:  # pyenv's, for one, are below a closed /root
            machine.run("chmod", "a+rx", str(path), check=False)
        printed = machine.run("sh", "-c", f"cd /srv/bookshop && {' '.join(LIMPET)} gen systemd").stdout
        steps = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
        machine.run("mkdir", "-p", "/etc/sysusers.d", "/etc/tmpfiles.d")
        for step in steps[:-1]:
            machine.run("sh", "-ec", f"cd /srv/bookshop && {step}")
        # A checkout below /tmp would be hidden by PrivateTmp=.
        machine.write(f"etc/systemd/system/{UNIT}.d/test.conf", f"[Service]\nBindReadOnlyPaths={ROOT}\n")
        machine.write("etc/bookshop/environment", ENVIRONMENT)
        machine.run("systemctl", "daemon-reload")
        yield machine


@pytest.fixture
def service(machine: Machine) -> Iterator[Machine]:
    """The machine with the service started, as if for the first time."""
    machine.run("systemctl", "start", UNIT, check=False)
    if machine.show(UNIT, "ActiveState")["ActiveState"] != "active":
        pytest.fail(f"the service did not start:\n{machine.journal(UNIT)}")
    yield machine
    machine.run("systemctl", "stop", UNIT)
    machine.run("systemctl", "reset-failed", UNIT, check=False)


def limpet(machine: Machine, *words: str, user: str = "bookshop") -> subprocess.CompletedProcess[str]:
    return machine.run(*LIMPET, *words, "--node", "bookshop", user=user, check=False)


def status(machine: Machine) -> dict[str, dict]:
    """The processes by name; none while the node does not answer."""
    shown = limpet(machine, "status", "--json").stdout
    return {process["name"]: process for process in json.loads(shown)["processes"]} if shown else {}


def pids(machine: Machine) -> set[int]:
    return {process["pid"] for process in status(machine).values() if process["pid"]}


def test_start_returns_when_every_process_is_ready(service: Machine) -> None:
    assert service.run(sys.executable, "-c", HEALTH).stdout == "200\n"
    processes = status(service)
    assert {name for name, process in processes.items() if process["ready"]} >= {"web.1", "web.2", "worker.1"}


def test_systemctl_status_counts_the_processes(service: Machine) -> None:
    assert "4 of 4 ready" in service.show(UNIT, "StatusText")["StatusText"]


def test_stop_leaves_nothing_and_is_a_success(service: Machine) -> None:
    running = pids(service)
    assert len(running) == 3
    service.run("systemctl", "stop", UNIT)
    shown = service.show(UNIT, "ActiveState", "Result", "ExecMainStatus")
    assert shown == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert service.run("ps", "-o", "pid=", "-p", ",".join(map(str, running)), check=False).stdout == ""
    journal = service.journal(UNIT)
    assert "worker ends" in journal
    assert "bookshop is closed" in journal


def test_the_service_is_restarted_when_its_supervisor_gives_up(service: Machine) -> None:
    first = service.show(UNIT, "MainPID")["MainPID"]
    pid = 0

    def killed_again() -> bool:
        """Kills each worker that comes, until the node is another."""
        nonlocal pid
        if service.show(UNIT, "MainPID")["MainPID"] not in (first, "0"):
            return True
        shown = limpet(service, "status", "--json")
        worker = (
            [p for p in json.loads(shown.stdout)["processes"] if p["name"] == "worker.1"]
            if shown.stdout
            else []
        )
        if worker and worker[0]["pid"] and worker[0]["pid"] != pid:
            pid = worker[0]["pid"]
            service.run("kill", "-KILL", str(pid), check=False)
        return False

    service.wait(killed_again, "the service is restarted")
    service.wait(lambda: service.show(UNIT, "ActiveState")["ActiveState"] == "active", "it is active again")
    assert service.show(UNIT, "NRestarts")["NRestarts"] == "1"
    assert service.run(sys.executable, "-c", HEALTH).stdout == "200\n"


def test_the_services_user_may_evaluate_and_others_may_not(service: Machine) -> None:
    evaluated = limpet(service, "rpc", "bookshop.tasks.pending()")
    assert (evaluated.returncode, evaluated.stdout) == (0, "[]\n")
    refused = limpet(service, "rpc", "1", user="daemon")
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert limpet(service, "rpc", "1 + 1", user="root").stdout == "2\n"


def test_output_is_in_the_journal_with_the_processes_names(service: Machine) -> None:
    journal = service.journal(UNIT)
    assert any("web.1" in line and "bookshop opens" in line for line in journal.splitlines())
    assert any("worker.1" in line and "worker ready" in line for line in journal.splitlines())


def test_a_node_that_is_killed_leaves_nothing_and_is_started_anew(service: Machine) -> None:
    before = pids(service)
    first = service.show(UNIT, "MainPID")["MainPID"]
    service.run("kill", "-KILL", first)

    def anew() -> bool:
        shown = service.show(UNIT, "MainPID", "ActiveState")
        return shown["ActiveState"] == "active" and shown["MainPID"] != first

    service.wait(anew, "the service is started anew")
    assert len(before) == len(pids(service)) == 3
    assert not before & pids(service)


def test_a_configuration_that_cannot_be_used_is_not_tried_again(machine: Machine) -> None:
    machine.write("etc/bookshop/environment", "SECRET_KEY_BASE=of the test\n")
    try:
        assert machine.run("systemctl", "start", UNIT, check=False).returncode != 0
        shown = machine.show(UNIT, "ExecMainStatus", "NRestarts", "ActiveState")
        assert shown == {"ExecMainStatus": "78", "NRestarts": "0", "ActiveState": "failed"}
        assert "DATABASE_URL is not set (config/runtime.py:6)" in machine.journal(UNIT)
    finally:
        machine.write("etc/bookshop/environment", ENVIRONMENT)
        machine.run("systemctl", "reset-failed", UNIT)
