"""The health of a real node: over HTTP, by the verb, and as a reason to restart."""

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from limpet_supervisor.model.status import Event
from limpet_supervisor.wire import messages as m
from support.node import BOUND, PYTHON, Node, node, running

APP = """
import asyncio, os, sys, time
from limpet import health

@health.check("database", every=0.05, timeout=0.5)
async def database():
    await asyncio.sleep(0)
    return "refused postgres://shop:hunter2@db/shop" if os.path.exists("down") else None

@health.check("cache", every=0.05, critical=False)
def cache():
    return not os.path.exists("cold")

async def main():
    while True:
        await asyncio.sleep(0.01)
        if os.path.exists("block"):
            os.unlink("block")
            time.sleep(60)

if len(sys.argv) > 1:
    os.fork()
asyncio.run(main())
"""
DEAF = """
import asyncio, os, signal, time

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
    print("it hears")
    while True:
        await asyncio.sleep(0.01)
        if os.path.exists("block"):
            os.unlink("block")
            time.sleep(600)

asyncio.run(main())
"""
WEB = f"""
[health]
bind = "unix:${{RELEASE_TMP}}/health.sock"
mode = "666"
loop = "300ms"
[processes.web]
command = ["{PYTHON}", "app.py"]
shutdown = "1s"
"""


def ask(made: Node, path: str, method: str = "GET") -> tuple[int, str]:
    """Status and body of what the node answers over HTTP."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND)
        client.connect(str(made.directory / "run" / "health.sock"))
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while data := client.recv(65536):
            said += data
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def served(made: Node) -> Node:
    """The node, when it serves health and has heard of each of the application's checks."""
    made.wait_for(lambda: "health and metrics are served" in made.output)
    for check in ("database", "cache"):
        made.wait_for(lambda check=check: json.loads(ask(made, "/health")[1])["checks"].get(check) == "ok")
    made.wait_for(lambda: "loop" in json.loads(ask(made, "/health")[1])["checks"])
    return made


@pytest.fixture(scope="module")
def shop() -> Iterator[Node]:
    with running(WEB, files={"app.py": APP}) as made:
        yield served(made)


@pytest.fixture
def file(shop: Node, request: pytest.FixtureRequest) -> Iterator[str]:
    """A file that the application looks for; gone afterwards, and all is well again."""
    path = shop.directory / request.param
    path.touch()
    yield request.param
    path.unlink(missing_ok=True)
    shop.wait_for(lambda: ask(shop, "/health")[0] == 200)


def test_its_socket_has_the_mode_that_is_configured(shop: Node) -> None:
    assert (shop.directory / "run" / "health.sock").stat().st_mode & 0o777 == 0o666


def test_all_is_well(shop: Node) -> None:
    well = {"web": "ok", "database": "ok", "cache": "ok", "loop": "ok"}.items()
    # On a busy machine its loop may have been late within the last ten seconds: it only warns then.
    shop.wait_for(lambda: json.loads(ask(shop, "/health")[1])["checks"].items() >= well)
    status, body = ask(shop, "/health")
    facts = json.loads(body)
    assert (status, facts["status"]) == (200, 200)
    assert facts["checks"].keys() >= {"memory", "disk", "descriptors", "processes", "restarts"}
    ways = ("/livez", "/readyz", "/startupz")
    for path in (*ways, *(f"{way}/web" for way in ways), "/readyz/web.1"):
        assert ask(shop, path) == (200, "ok"), path
    status, body = ask(shop, "/readyz?verbose")
    assert status == 200
    assert "[+]database (web.1) ok\n" in body
    assert body.endswith("readyz check passed\n")
    done = shop.limpet("health")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("node is running: 1 of 1 processes ready\n")


@pytest.mark.parametrize("file", ["down"], indirect=True)
@pytest.mark.usefixtures("file")
def test_a_check_that_fails_is_503_and_exit_code_1_with_its_reason_and_no_secret(shop: Node) -> None:
    shop.wait_for(lambda: ask(shop, "/readyz")[0] == 503)
    status, body = ask(shop, "/health")
    facts = json.loads(body)
    assert (status, facts["status"], facts["checks"]["database"]) == (503, 503, "failing")
    assert facts["reasons"]["database"] == ["web.1: refused postgres://shop:***@db/shop"]
    status, body = ask(shop, "/readyz")
    assert "[-]database (web.1) failing: refused postgres://" in body
    assert body.endswith("readyz check failed\n")
    assert ask(shop, "/readyz?exclude=database") == (200, "ok")
    assert ask(shop, "/readyz/web")[0] == 503
    assert ask(shop, "/livez") == (200, "ok"), "restarting the node would mend no database"
    done = shop.limpet("health", "--json")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["healthy"], facts["checks"]["database"]) == (1, False, "failing")
    assert shop.limpet("health", "--exclude", "database").returncode == 0


@pytest.mark.parametrize("file", ["cold"], indirect=True)
@pytest.mark.usefixtures("file")
def test_a_check_that_is_not_critical_is_shown_and_does_not_count(shop: Node) -> None:
    shop.wait_for(lambda: json.loads(ask(shop, "/health")[1])["checks"]["cache"] == "failing")
    assert ask(shop, "/health")[0] == 200
    assert "[!]cache (web.1) failing: it returned False\n" in ask(shop, "/readyz?verbose")[1]


def test_only_what_is_there_is_answered_and_only_to_get_and_head(shop: Node) -> None:
    assert ask(shop, "/nosuch")[0] == 404
    status, body = ask(shop, "/readyz/nosuch")
    assert (status, "there are web" in body) == (404, True)
    assert ask(shop, "/health", "POST")[0] == 405
    assert ask(shop, "/health", "HEAD") == (200, "")


def test_a_blocked_loop_is_told_with_its_place_and_its_process_fails() -> None:
    with running(WEB, files={"app.py": APP}) as made:
        served(made)
        (made.directory / "block").touch()
        made.wait_for(lambda: json.loads(ask(made, "/health")[1])["checks"]["loop"] == "failing")
        status, body = ask(made, "/livez/web")
        assert status == 503
        assert "[-]loop (web.1) failing: its event loop is blocked in main (app.py:" in body
        assert ask(made, "/livez") == (200, "ok")
        assert (made.status()["web.1"].lag or 0) > 0.3
        assert made.limpet("health").returncode == 1


def test_an_interpreter_that_is_stopped_is_not_well() -> None:
    """The agent cannot tell; that it says nothing does."""
    with running(WEB, files={"app.py": APP}) as made:
        served(made)
        pid = made.wait_pid("web.1")
        os.kill(pid, signal.SIGSTOP)
        try:
            made.wait_for(lambda: ask(made, "/livez/web")[0] == 503)
            assert "its interpreter does not answer" in ask(made, "/livez/web")[1]
        finally:
            os.kill(pid, signal.SIGCONT)
        made.wait_for(lambda: ask(made, "/livez/web")[0] == 200)


def test_a_process_that_does_not_run_does_not_live() -> None:
    """It was said to, as nothing was known of its loop."""
    toml = """
[health]
bind = "unix:${RELEASE_TMP}/health.sock"
[processes.dead]
command = "false"
backoff = { base = "1h", max = "1h" }
[processes.slow]
command = ["sleep", "1000"]
ready = { log = "never" }
"""
    with node(toml) as made:
        made.start()
        made.wait_for(lambda: "health and metrics are served" in made.output)
        made.wait_for(lambda: made.status()["dead.1"].state == "backoff")
        status, body = ask(made, "/livez/dead")
        assert (status, "[-]dead failing: dead.1: " in body) == (503, True)
        assert ask(made, "/livez/slow") == (200, "ok"), "it need not be ready for that"
        assert ask(made, "/livez") == (200, "ok")


@pytest.mark.parametrize(
    ("liveness", "file", "cause"),
    [
        ('{ loop = "200ms", every = "100ms" }', "block", "its event loop is blocked in main"),
        ('{ health = "database", every = "50ms", failures = 2 }', "down", "database is failing: refused"),
    ],
    ids=["loop", "health"],
)
def test_a_liveness_failure_restarts_the_process_with_a_black_box(
    liveness: str, file: str, cause: str
) -> None:
    toml = f'[processes.web]\ncommand = ["{PYTHON}", "app.py"]\nliveness = {liveness}\nshutdown = "1s"\n'
    with running(toml, files={"app.py": APP}) as made:
        made.wait_for(lambda: _check(made, "database") == "ok")
        (made.directory / file).touch()
        fault = made.wait_event("exited", "web.1")
        (made.directory / file).unlink(missing_ok=True)
        assert fault.detail["cause"].startswith(f"liveness check failed: {cause}")
        with open(fault.detail["black_box"], encoding="utf-8") as box:
            assert "app.py" in box.read()
        made.wait_event("ready", "web.1", count=2)


def _check(made: Node, name: str) -> str | None:
    reply: m.HealthReply = made.request(m.Health())
    return reply.checks.get(name)


def test_what_a_fork_has_told_is_gone_with_it() -> None:
    toml = WEB.replace('"app.py"', '"app.py", "fork"')
    with running(toml, files={"app.py": APP}) as made:

        def tellers() -> set[str]:
            reply: m.HealthReply = made.request(m.Health())
            return {line.process for line in reply.lines if line.check == "database"}

        made.wait_for(lambda: len(tellers()) == 2)
        (fork,) = tellers() - {"web.1"}
        os.kill(int(fork.partition("/")[2]), signal.SIGKILL)
        made.wait_for(lambda: tellers() == {"web.1"})


def test_a_node_boots_without_its_port_and_serves_there_as_soon_as_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = {"LIMPET_HEALTH": f"127.0.0.1:{port}"}
        command = f'[processes.web]\ncommand = ["{PYTHON}", "-c", "import os; print(os.environ)"]\n'
        task = f'{command}restart = "temporary"\nready = "completed"\n'
        toml = f'[health]\nbind = "unix:/nowhere/never.sock"\n{task}'
        with running(toml, environ=environ) as made:
            said = f"cannot be served on 127.0.0.1:{port}: Address already in use"
            made.wait_for(lambda: said in made.output)
            taken.close()
            made.wait_for(lambda: f"health and metrics are served on 127.0.0.1:{port}" in made.output)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=BOUND) as answer:
                assert answer.read() == b"ok"
            assert "LIMPET_HEALTH" not in "".join(line for line in made.lines if "environ" in line)


def test_nothing_is_served_and_nothing_loaded_for_it_unless_it_is_asked_for() -> None:
    environ = {"PYTHONPROFILEIMPORTTIME": "1"}
    with running('[processes.web]\ncommand = ["sleep", "1000"]\n', environ=environ) as made:
        assert "limpet_supervisor.daemon.control" in made.output
        assert "limpet_supervisor.daemon.health" not in made.output
        made.environ = {key: value for key, value in made.environ.items() if key not in environ}
        done = made.limpet("health")
        assert (done.returncode, "web" in done.stdout) == (0, True)
        assert "| h11" not in made.output


def test_a_process_that_is_not_ready_is_not_well_and_neither_is_a_node_that_stops() -> None:
    toml = f"""
[processes.web]
command = ["{PYTHON}", "-c", "import signal, time; signal.signal(15, lambda *_: None); time.sleep(1000)"]
ready = {{ log = "never" }}
shutdown = "infinity"
"""
    with node(toml) as made:
        made.start()
        made.wait_for(lambda: made.status()["web.1"].pid is not None)
        done = made.limpet("health")
        assert done.returncode == 1
        assert "web.1: not ready yet (log)" in done.stdout
        made.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        made.wait_for(lambda: _lines(made).get("node") == "failing")
        os.kill(made.status()["web.1"].pid or 0, signal.SIGKILL)


def _lines(made: Node) -> dict[str, Any]:
    reply: m.HealthReply = made.request(m.Health())
    return {line.check: line.status.value for line in reply.lines}


def test_a_check_that_fails_and_passes_again_is_two_events_and_not_one_for_each_result() -> None:
    with running(WEB, files={"app.py": APP}) as made:
        served(made)
        (made.directory / "down").touch()
        failed = made.wait_event("check_failed", "web.1")
        assert failed.text == "web.1: check database fails: refused postgres://shop:***@db/shop"
        assert (failed.detail["check"], failed.pid) == ("database", made.status()["web.1"].pid)
        for _ in range(3):  # it runs, and fails, again and again meanwhile
            (made.directory / "cold").touch()
            made.wait_for(lambda: _check(made, "cache") == "failing")
            (made.directory / "cold").unlink()
            made.wait_for(lambda: _check(made, "cache") == "ok")
        made.wait_event("check_failed", "web.1", text="check cache fails: it returned False")
        (made.directory / "down").unlink()
        made.wait_event("check_passed", "web.1", text="web.1: check database passes again")
        assert [each.kind for each in _events(made) if "database" in each.text] == [
            "check_failed",
            "check_passed",
        ]
        (made.directory / "block").touch()
        made.wait_event("check_failed", "web.1", text="check loop fails: its event loop is blocked in main")


def _events(made: Node) -> list[Event]:
    with made.client() as client:
        found = list(client.stream(m.Events(last=1000), timeout=BOUND))
    return [each.event for each in found if isinstance(each, m.EventItem)]


def test_a_blocked_loop_hears_no_term_and_is_not_waited_for_as_long_as_for_others() -> None:
    toml = f"""
[processes.web]
command = ["{PYTHON}", "app.py"]
liveness = {{ loop = "200ms", every = "100ms" }}
shutdown = "1h"
"""
    with running(toml, files={"app.py": DEAF}) as made:
        made.wait_for(lambda: "it hears" in made.output)
        (made.directory / "block").touch()
        death = made.wait_event("exited", "web.1")
        assert death.detail["signal"] == "SIGKILL"
        assert death.detail["cause"].endswith("its shutdown time of 1s passed")
        with open(death.detail["black_box"], encoding="utf-8") as box:
            assert "in main" in box.read(), "written before the stop signal, and the kill"
        kinds = [each.kind for each in _events(made) if each.process == "web.1"]
        assert kinds.index("fault") < kinds.index("black_box") < kinds.index("killed") < kinds.index("exited")


NAMESAKES = """
import time
from limpet import health

for name in ("loop", "disk", "web", "web.1", "database"):
    health.check(name, every=0.05)(lambda name=name: name == "database")
while True:
    time.sleep(0.05)
"""


def test_a_check_that_is_called_like_one_of_limpets_own_is_kept_apart_from_it() -> None:
    """One called `loop` that failed made /livez say that the process hangs."""
    with running(WEB, files={"app.py": NAMESAKES}) as made:
        made.wait_for(lambda: "health and metrics are served" in made.output)
        theirs = {"app/loop", "app/disk", "app/web", "app/web.1"}

        def told() -> bool:
            checks = json.loads(ask(made, "/health")[1])["checks"]
            return {name for name in checks if checks[name] == "failing"} == theirs and "loop" in checks

        made.wait_for(told)
        checks = json.loads(ask(made, "/health")[1])["checks"]
        assert (checks["web"], checks["loop"], checks["database"]) == ("ok", "ok", "ok")
        assert ask(made, "/livez/web") == (200, "ok")
        assert ask(made, "/startupz/web") == (200, "ok")
        assert ask(made, "/readyz")[0] == 503
        assert ask(made, f"/readyz?exclude={','.join(theirs)}") == (200, "ok")
