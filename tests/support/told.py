"""What fake nodes say: a status of two processes, one of them in trouble, and answers by request."""

import os
from collections.abc import Iterator
from typing import Any

from limpet_supervisor.model.health import Line
from limpet_supervisor.model.health import Status as Health
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
from support.fake_node import Script


def process(name: str, **facts: Any) -> ProcessStatus:
    """A process that runs well, except for `facts`."""
    usual: dict[str, Any] = {
        "state": State.RUNNING,
        "ready": True,
        "pid": 4242,
        "uptime": 12.5,
        "restarts": 0,
        "cpu": 0.3,
        "memory": 31457280,
        "agent": "ready",
        "agents": (name,) if facts.get("agent", "ready") == "ready" else (),
    }
    return ProcessStatus(name=name, **{**usual, **facts})


def status(*processes: ProcessStatus, **facts: Any) -> m.StatusReply:
    """The status of a node with those processes."""
    usual: dict[str, Any] = {
        "name": "bookshop",
        "version": "1.0.0",
        "pid": os.getpid(),
        "uptime": 100.0,
        "state": NodeState.RUNNING,
        "wanted": len(processes),
        "ready": sum(each.ready for each in processes),
    }
    return m.StatusReply(node=NodeFacts(**{**usual, **facts}), processes=processes)


def health(told: m.StatusReply, *lines: Line) -> m.HealthReply:
    """How that node is, with these checks beside its processes'."""
    of_processes = [
        Line(each.name, Health.OK if each.ready else Health.FAILING, each.name, each.reason or "")
        for each in told.processes
    ]
    found = (*of_processes, *lines)
    return m.HealthReply(
        status=200 if all(line.is_well for line in found) else 503,
        checks={line.check: line.status.value for line in found},
        lines=found,
        node=told.node,
    )


BACKOFF = process(
    "web.2", state=State.BACKOFF, ready=False, pid=None, uptime=None, reason="exit code 1; next try in 3s"
)
TREE = m.TreeNode(
    "root",
    "supervisor",
    "one_for_one, 3 restarts in 5s",
    children=(
        m.TreeNode(
            "web.1",
            "process",
            "running",
            4242,
            members=(
                Member(4300, 4242, "uvicorn worker", 1048576, "ready"),
                Member(4301, 4300, "sh", 1024, "none"),
                Member(4302, 4242, "sleep", 512, "none"),
            ),
        ),
        m.TreeNode("nested", "supervisor", "one_for_all", children=(m.TreeNode("b.1", "process", "failed"),)),
    ),
)
DEATH = Death(
    at=1_700_000_000.5,
    pid=41,
    exit=Exit(signal="SIGKILL"),
    uptime=3.0,
    cause="not ready within 60s",
    black_box="/var/box",
    last_lines=("before", "\x1b[31mred\x1b[0m \x1b]0;title\x07"),
)


def answers(request: m.Request) -> Iterator[m.Item | m.Reply]:
    """What a healthy bookshop says."""
    match request:
        case m.Ping():
            yield m.Pong(node="bookshop", version="1.0.0", pid=os.getpid(), limpet="0.1.0")
        case m.Status():
            yield status(process("web.1"), process("worker.1"))
        case m.Health():
            yield health(status(process("web.1"), process("worker.1")), Line("database", Health.OK, "web.1"))
        case m.Metrics():
            yield m.MetricsReply(text="# EOF\n")
        case m.Tree():
            yield m.TreeReply(root=TREE)
        case m.Why(name="web.1"):
            yield m.WhyReply(process=process("web.1"), deaths=(DEATH,))
        case m.Why(name=name):
            yield m.Failure(error="NoSuchProcess", what=f"There is no process {name}", why="there is web")
        case m.Logs():
            yield m.LogItem(process="web.1", lines=("one", "two \x1b]0;evil\x07"))
            yield m.StreamEnd(dropped=2)
        case m.Events(follow=False):
            yield m.EventItem(
                event=Event(at=1_700_000_000.0, kind="exited", process="web.1", text="web.1 died")
            )
            yield m.StreamEnd()
        case m.Evaluate() | m.Call():
            yield from evaluated(request)
        case m.RestartProcess(name=name):
            yield m.ProgressItem(text=f"waiting for {name}")
            yield m.Done(text=f"{name} is restarted")
        case m.Scale() | m.Signal() | m.StartProcess() | m.StopProcess() | m.RestartNode():
            yield m.Done(text="done")
        case m.Attach(process=name):
            yield m.AttachReply(process=name or "web.1", pid=4242, python="3.11.7", argv=("web",), loops=1)
        case m.Complete():
            yield m.CompleteReply(start=2, items=(("append", "method"), ("apply", "function")))
        case m.Signature():
            yield m.SignatureReply(signature="f(x, y)", doc="Adds.")
        case m.Check(source=source):
            yield m.CheckReply(state=_state(source), indent=4)
        case m.Detach():
            yield m.Done()
        case _:
            pass  # a stream that goes on, until the test says more


def telling(*processes: ProcessStatus, **facts: Any) -> Script:
    """A script whose status has these processes."""

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Status):
            yield status(*processes, **facts)
        elif isinstance(request, m.Health):
            yield health(status(*processes, **facts))
        else:
            yield from answers(request)

    return script


def evaluated(request: m.Evaluate | m.Call) -> Iterator[m.Item | m.Reply]:
    """The answers to an evaluation: by what its source says."""
    name = request.process or "web.1"
    if isinstance(request, m.Call):
        value = f"{request.function}{request.arguments!r}"
        yield m.EvaluateReply(process=name, ok=True, value=value, type="str")
    elif "forever" in request.source:
        yield m.OutputItem(stream="stdout", text="it begins\n")
    elif "raise" in request.source:
        yield m.EvaluateReply(process=name, ok=False, error="Traceback…\nValueError: no\n", number=1)
    elif "print" in request.source:
        yield m.OutputItem(stream="stdout", text="printed\n")
        yield m.OutputItem(stream="stderr", text="warned\n")
        yield m.EvaluateReply(process=name, ok=True, number=1)
    else:
        yield m.EvaluateReply(process=name, ok=True, value=f"<{request.source}>", elapsed=0.25, number=1)


def _state(source: str) -> str:
    """Completeness as Python's own prompt sees it, for the small programs of these tests."""
    import codeop

    try:
        found = codeop.compile_command(source, symbol="exec" if source.count("\n") > 1 else "single")
    except SyntaxError:
        return "invalid"
    return "incomplete" if found is None else "complete"
