"""An observer whose node is frozen: every message it has been fed is made up, and no clock runs."""

import asyncio
import io
from typing import Any

import pyte
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from limpet_shell.observer.state.model import Model
from limpet_shell.observer.terminal import Terminal
from limpet_supervisor.model import figures as f
from limpet_supervisor.model.health import Line, Status
from limpet_supervisor.model.stacks import Frame, Lack, ProcessStacks, Rung, Stack
from limpet_supervisor.model.status import (
    Death,
    Event,
    Exit,
    Member,
    NodeFacts,
    NodeState,
    ProcessStatus,
    State,
)
from limpet_supervisor.wire import messages as m
from support.told import process

MB = 1 << 20
NOW = 1_700_000_000.0
"""Tue Nov 14 22:13:20 UTC 2023."""

NODE = NodeFacts("bookshop", "1.4.2", 4242, 3725.0, NodeState.RUNNING, wanted=5, ready=3)


def statuses(tick: int = 0) -> tuple[ProcessStatus, ...]:
    """Five processes; what counts up counts with the ticks."""
    return (
        process("web.1", pid=4300, uptime=3720.0 + tick, agents=("web.1",), lag=0.003),
        process(
            "web.2",
            pid=4301,
            uptime=3720.0 + tick,
            agents=("web.2", "web.2/4390"),
            lag=0.8 if tick > 20 else 0.02,
        ),
        process(
            "db.1",
            pid=4302,
            uptime=3724.0 + tick,
            agent="none",
            agent_reason="postgres is no Python",
            agents=(),
        ),
        process(
            "mailer.1",
            pid=None,
            state=State.BACKOFF,
            ready=False,
            uptime=None,
            restarts=17 + tick,
            agent="none",
            agents=(),
            reason="next start in 3s; exit code 1",
        ),
        process("import.1", pid=4400, state=State.STARTING, ready=False, uptime=12.0, reason="waits for db"),
    )


def sample(tick: int) -> m.SampleReply:
    """What they use at a tick, of two seconds."""
    at = 1000.0 + 2 * tick
    return m.SampleReply(
        at=at,
        node=NODE,
        processes=statuses(tick),
        figures=(
            f.Figures("web.1", "S", 100 + 1.0 * tick, (60 + tick) * MB, 9, 40 + tick, 1024, 1, 0, 52_000),
            f.Figures("web.2", "R", 100 + 0.2 * tick, 61 * MB, 9, 1000, 1024, 1, 0, 52_000),
            f.Figures("db.1", "S", 50 + 0.1 * tick, 812 * MB, 14, 120, 65536, 8, 0, 9_000),
            f.Figures("mailer.1", written=1_200, lost=3),
            f.Figures("import.1", "D", 3 + 0.05 * tick, 20 * MB, 1, 5, 1024, 1, 0, 0),
        ),
        cost=0.002,
    )


def system(tick: int) -> m.SystemReply:
    """The system at a tick."""
    return m.SystemReply(
        node=NODE,
        own=f.Own("0.1.0", "3.11.7", 4242, 2.0 + 0.01 * tick, 22 * MB, 48, 4, 3),
        host=f.Host(
            "shop-1",
            "Linux 6.1.0",
            4,
            90_000.0 + 2 * tick,
            (0.5, 0.75, 1.0),
            1000 + 2.0 * tick,
            9000 + 8.0 * tick,
            8192 * MB,
            6144 * MB,
        ),
        limits=(
            f.Limit("memory of the host", 2048 * MB, 8192 * MB, "bytes"),
            f.Limit("memory of the control group", 950 * MB, 1024 * MB, "bytes"),
            f.Limit("descriptors of the node", 48, 1024),
            f.Limit("disk of /var/lib/bookshop", 40_000 * MB, 100_000 * MB, "bytes"),
        ),
        sockets=(f.Listening("http", "0.0.0.0:4000", 3, 2048),),
    )


TREE = m.TreeReply(
    root=m.TreeNode(
        "bookshop",
        "supervisor",
        "one_for_one, 3 restarts in 5s",
        children=(
            m.TreeNode("web.1", "process", "running", 4300),
            m.TreeNode(
                "web.2",
                "process",
                "running",
                4301,
                members=(Member(4390, 4301, "python worker.py", 9 * MB, "ready"),),
            ),
            m.TreeNode("db.1", "process", "running", 4302),
            m.TreeNode("mailer.1", "process", "backoff"),
            m.TreeNode(
                "batch",
                "supervisor",
                "rest_for_one, 3 restarts in 5s",
                children=(m.TreeNode("import.1", "process", "starting", 4400),),
            ),
        ),
    )
)
DEATHS = (
    Death(
        NOW - 5,
        4500,
        Exit(code=1),
        2.0,
        "ended by itself",
        None,
        ("connecting to smtp", "\x1b[31mrefused\x1b[0m"),
    ),
    Death(
        NOW - 65,
        4499,
        Exit(signal="SIGKILL"),
        61.0,
        "not ready within 60s",
        "/run/bookshop/blackbox/mailer.1.txt",
    ),
)
DETAIL = m.DetailReply(
    process=statuses()[0],
    detail=f.Detail(
        name="web.1",
        figures=sample(0).figures[0],
        started_at=NOW - 3720,
        command=("python", "-m", "uvicorn", "bookshop.web:app", "--token", "***"),
        executable="/opt/bookshop/runtime-3.11.7/bin/python3.11",
        cwd="/opt/bookshop",
        user="shop",
        spec={
            "command": ["uvicorn", "bookshop.web:app"],
            "shutdown": "10s",
            "ready": {"kind": "http", "target": "http://127.0.0.1:4000/health"},
            "env": {"API_KEY": "***"},
        },
        environ={
            "API_KEY": "***",
            "DATABASE_URL": "postgres://shop:***@db.internal/shop?" + "option=1&" * 12,
            "PATH": "/usr/bin",
        },
        limits=(f.Limit("open descriptors", 40, 1024),),
        files=(
            f.OpenFile(0, "device", "/dev/null"),
            f.OpenFile(7, "file", "/var/lib/bookshop/orders.db"),
            f.OpenFile(8, "deleted", "/tmp/upload (deleted)"),
        ),
        connections=(
            f.Connection(3, "tcp", "0.0.0.0:4000", "", "listening", 3),
            f.Connection(9, "tcp", "10.0.0.5:4000", "10.0.0.9:51234", "established", 0, 1448),
        ),
        threads=(
            f.ThreadFacts(4300, "python", "sleeping", 12.5, "ep_poll"),
            f.ThreadFacts(4310, "worker", "running", 81.0),
        ),
    ),
    deaths=DEATHS,
)
STACKS = m.StacksReply(
    processes=(
        ProcessStacks(
            "web.1",
            4300,
            "python -m uvicorn",
            "sleeping",
            Rung.PY_SPY,
            0.2,
            (
                Stack(
                    "Thread MainThread",
                    4300,
                    "waits",
                    (
                        Frame(
                            "main", "/opt/bookshop/lib/bookshop-1.4.2/bookshop/a/very/long/path/to/web.py", 12
                        ),
                        Frame("sleep", "web.py", 40),
                    ),
                ),
            ),
            (Lack(Rung.AGENT, "its agent does not answer"),),
        ),
    )
)


def looked(kind: str, process_name: str = "web.1") -> m.EvaluateReply:
    """What a look found."""
    rows: list[dict[str, Any]]
    match kind:
        case "tasks":
            rows = [
                {
                    "task": f"request-{k}",
                    "state": "waiting",
                    "coroutine": "handle",
                    "age": 0.2 * k,
                    "at": f"Pool.acquire db.py:{40 + k}",
                    "awaited_by": ["server"],
                }
                for k in range(3)
            ]
            units = {"age": "seconds"}
        case _:
            rows = [
                {"memory": "resident", "bytes": 60 * MB, "about": "in memory (RSS)"},
                {"memory": "unique", "bytes": 41 * MB, "about": "what its end would free (USS)"},
            ]
            units = {"bytes": "bytes"}
    data = {"kind": kind, "rows": rows, "columns": list(rows[0]), "units": units, "notes": ["12 more"]}
    return m.EvaluateReply(process=process_name, ok=True, value="", elapsed=0.004, data=data)


LOG: tuple[m.Item, ...] = (
    m.LogItem("web.1", ("INFO GET /books 200 in 3.1ms", "WARNING slow query: 812 ms"), (NOW - 9, NOW - 3)),
    m.LogItem(
        "mailer.1",
        (
            "connecting to smtp",
            "\x1b[31mERROR\x1b[0m refused \x1b]0;title\x07",
            (
                '{"time":"2023-11-14T22:13:12Z","level":"error","message":"gave up","logger":"mailer",'
                '"order":7,"exception":"Traceback…\\nOSError: refused"}'
            ),
        ),
        (NOW - 8, NOW - 7, NOW - 6),
    ),
    m.LogItem(
        "web.2",
        ("Traceback (most recent call last):", "  …", "ValueError: 書籍 is no number"),
        (NOW - 2,) * 3,
    ),
    m.LogsPast(),
)
EVENTS = tuple(
    m.EventItem(event=Event(NOW - 10 + k, kind, "mailer.1", 4500 + k, text))
    for k, (kind, text) in enumerate(
        (
            ("ready", "mailer.1 is ready (pid 4500)"),
            ("exited", "mailer.1 (pid 4501) exited with code 1 after 2s"),
            ("restarting", "restarting mailer.1 in 3s"),
        )
    )
)
FINDINGS = m.LintsReply(
    findings=(
        f.Finding(
            "restart_storm",
            "critical",
            "mailer.1",
            "ended 17 times in the last 60s; the last time: exit code 1, ended by itself",
            "see: why mailer.1",
        ),
        f.Finding("near_limit", "warning", "", "memory of the control group: 950 MiB of 1.0 GiB, 93 %"),
        f.Finding("no_agent", "info", "db.1", "no agent: postgres is no Python"),
    )
)


HEALTH = m.HealthReply(
    status=503,
    checks={"database": "timeout", "memory": "ok"},
    lines=(
        Line("memory", Status.OK, critical=False),
        Line("web", Status.OK, "web"),
        Line("database", Status.TIMEOUT, "web.2", "no answer within 1s", age=3.0, took=1.0),
        Line("cache", Status.WARNING, "web.1", "90 % full", critical=False, age=1.0, took=0.002),
    ),
    node=NODE,
)


def metrics(orders: int) -> m.MetricsReply:
    """A scrape after so many orders."""
    text = f"""# TYPE limpet_processes gauge
# HELP limpet_processes Instances by their state.
limpet_processes{{state="running"}} 3
# TYPE orders counter
orders_total{{shop="a"}} {orders}
# TYPE checkout_seconds histogram
checkout_seconds_bucket{{le="0.1"}} 4
checkout_seconds_count 5
checkout_seconds_sum 0.75
# EOF
"""
    return m.MetricsReply(text=text)


def frozen(**options: Any) -> Model:
    """An observer of bookshop that has refreshed thirty times."""
    model = Model("bookshop", **options)
    for tick in range(30):
        model.take(system(tick), model.system)
        model.take(sample(tick), model.system)
    model.take(sample(29), model.processes)
    model.take(TREE, model.processes)
    model.take(looked("tasks"), model.tasks)
    model.take(looked("mem"), model.memory)
    for line in LOG:
        model.logs.item(line)
    model.events.now = lambda: NOW
    for event in EVENTS:
        model.events.item(event)
    model.take(FINDINGS, model.findings)
    model.take(HEALTH, model.health)
    model.take(metrics(30), model.metrics)
    model.refreshed(NOW, model.page, well=True)
    return model


def detailed(model: Model, section: str) -> Model:
    """The same with the page of web.1 open at that section."""
    model.show(1)
    model.open("web.1", section)
    assert model.detail is not None
    for reply in (DETAIL, STACKS, looked("tasks")):
        model.take(reply, model.detail)
    for line in (LOG[0], LOG[-1]):
        model.detail.log.item(line)
    return model


def on_screen(
    model: Model, columns: int, lines: int, *, coloured: bool = True, unicode: bool = True
) -> pyte.Screen:
    """What a terminal of that size shows of it."""
    written = io.StringIO()
    written.isatty = lambda: True  # type: ignore[method-assign]
    found = ""

    async def show() -> None:
        nonlocal found

        async def connect() -> Any:
            await asyncio.Event().wait()

        with create_pipe_input() as keys:
            output = Vt100_Output(written, lambda: Size(rows=lines, columns=columns), term="xterm-256color")
            terminal = Terminal(model, connect, coloured=coloured, unicode=unicode, input=keys, output=output)

            def drawn(_app: object) -> None:
                nonlocal found
                if not found:
                    found = written.getvalue()
                    terminal.app.exit()

            terminal.app.after_render += drawn
            await terminal.run()

    asyncio.run(show())
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(found)
    return screen


def text_of(screen: pyte.Screen) -> str:
    """The text of a screen, without trailing blanks."""
    return "\n".join(line.rstrip() for line in screen.display).rstrip() + "\n"
