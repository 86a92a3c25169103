"""What a person reads of the node's answers, as lines: pure functions, shared by the verbs and the console.

`paint(text, style)` is output.paint or output.plain. Text that comes from a process is escaped here.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Final

from limpet_shell.output import NAME_COLORS, printable, printable_line, table
from limpet_shell.tones import Tone, tone_of
from limpet_supervisor.model.figures import Finding
from limpet_supervisor.model.health import Status
from limpet_supervisor.model.status import EVENTS, Death, Event, Member, NodeFacts, ProcessStatus, State
from limpet_supervisor.model.units import format_duration, format_size
from limpet_supervisor.wire.messages import (
    EvaluateReply,
    HealthReply,
    LogItem,
    StatusReply,
    TreeNode,
    WhyReply,
)

Paint = Callable[[str, str], str]

_KIND: Final = max(map(len, EVENTS))
"""Columns of an event's kind."""

STATE_STYLES: Final = {
    State.STARTING: "yellow",
    State.RUNNING: "green",
    State.STOPPING: "yellow",
    State.STOPPED: "dim",
    State.BACKOFF: "red",
    State.EXITED: "dim",
    State.FAILED: "bold red",
}
STATUS_HEADER: Final = ("NAME", "STATE", "READY", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "AGENT")
_RIGHT: Final = frozenset({3, 4, 5, 6, 7})
_SPARE: Final = tuple(map(STATUS_HEADER.index, ("AGENT", "CPU", "RESTARTS", "MEMORY", "UPTIME", "PID")))


def status_row(process: ProcessStatus) -> tuple[str, ...]:
    """The cells of a line of `status`, as STATUS_HEADER names them."""
    return (
        process.name,
        process.state.value,
        "yes" if process.ready else "no",
        "-" if process.pid is None else str(process.pid),
        "-" if process.uptime is None else format_duration(process.uptime),
        str(process.restarts),
        "-" if process.cpu is None else f"{process.cpu:.1f}%",
        "-" if process.memory is None else format_size(process.memory),
        process.agent if process.pid is not None else "-",
    )


def remarks(process: ProcessStatus) -> list[str]:
    """What there is to say beyond the cells: why it is in its state, has no agent, what of it fails."""
    found = [process.reason] if process.reason else []
    if process.agent == "none" and process.pid is not None and process.agent_reason:
        found.append(f"no agent: {process.agent_reason}")
    for failure in process.failures:
        if failure.quarantined:
            where = "" if failure.process == process.name else f" in {failure.process}"
            found.append(f"{failure.what}{where} fails: {failure.reason}")
    return found


def status_lines(reply: StatusReply, paint: Paint, width: int | None = None) -> list[str]:
    """The node's line and an aligned table of its processes, each followed by its remarks.

    In less than `width` columns what is of least interest is left out.
    """
    processes = reply.processes

    def style(row: int, column: int, text: str) -> str:
        if column == 0:
            return "bold"
        if column == 1:
            return STATE_STYLES[processes[row].state]
        if column == 2 and text == "no" and processes[row].state is State.RUNNING:
            return "yellow"
        return "dim" if text == "-" else ""

    rows = [status_row(process) for process in processes]
    header, *table_lines = table(
        STATUS_HEADER, rows, right=_RIGHT, style=style, color=paint, width=width, spare=_SPARE
    )
    lines = [node_line(reply.node, paint)]
    lines += [paint(f"  {printable(remark)}", "yellow") for remark in reply.node.remarks]
    lines.append(header)
    for process, line in zip(processes, table_lines, strict=True):
        lines += [line, *(paint(f"  {printable(remark)}", "dim") for remark in remarks(process))]
    return lines


def node_line(node: NodeFacts, paint: Paint) -> str:
    """`bookshop 1.0.0  running  pid 4242  up 3m 5s  3 of 3 ready`."""
    style = "green" if node.state.value == "running" else "yellow"
    ready = paint(f"{node.ready} of {node.wanted} ready", "" if node.ready >= node.wanted else "yellow")
    name = paint(printable(f"{node.name} {node.version}"), "bold")
    state = paint(node.state.value, style)
    return f"{name}  {state}  pid {node.pid}  up {format_duration(node.uptime)}  {ready}"


def status_plain(reply: StatusReply) -> list[str]:
    """Tab-separated lines with seconds and bytes, for cut and awk; no header."""
    lines = []
    for process in reply.processes:
        cells = (
            process.name,
            process.state.value,
            "yes" if process.ready else "no",
            _or_dash(process.pid),
            "-" if process.uptime is None else f"{process.uptime:.1f}",
            str(process.restarts),
            "-" if process.cpu is None else f"{process.cpu:.1f}",
            _or_dash(process.memory),
            process.agent,
            process.reason or "",
        )
        lines.append("\t".join(printable(cell) for cell in cells))
    return lines


def tree_lines(root: TreeNode, paint: Paint) -> list[str]:
    """The tree with lines drawn, a line for each supervisor, process and member."""
    lines = [_tree_text(root, paint)]
    _branches(root, "", lines, paint)
    return lines


def _branches(node: TreeNode, indent: str, lines: list[str], paint: Paint) -> None:
    count = len(node.children)
    for k, child in enumerate(node.children):
        last = k == count - 1 and not node.members
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{_tree_text(child, paint)}")
        _branches(child, indent + ("   " if last else "│  "), lines, paint)
    _members(node.members, indent, lines, paint, node.pid)


def _members(
    members: tuple[Member, ...], indent: str, lines: list[str], paint: Paint, parent: int | None
) -> None:
    """The members below the pid `parent`; one whose own parent is no member stands at the top."""
    pids = {member.pid for member in members}
    level = [m for m in members if m.ppid == parent or (m.ppid not in pids and m.ppid != parent)]
    rest = tuple(m for m in members if m not in level)
    for k, member in enumerate(level):
        last = k == len(level) - 1
        text = f"{member.pid} {printable(member.command)}"
        facts = format_size(member.memory) + (", agent" if member.agent == "ready" else "")
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{text}  {paint(facts, 'dim')}")
        below = tuple(m for m in rest if _descends(m, member.pid, members))
        _members(below, indent + ("   " if last else "│  "), lines, paint, member.pid)


def _descends(member: Member, pid: int, members: tuple[Member, ...]) -> bool:
    parents = {m.pid: m.ppid for m in members}
    above = member.ppid
    for _ in members:
        if above == pid:
            return True
        above = parents.get(above, 0)
    return False


def _tree_text(node: TreeNode, paint: Paint) -> str:
    pid = "" if node.pid is None else f"  pid {node.pid}"
    name = paint(printable(node.name), "bold" if node.kind == "process" else "bold cyan")
    style = STATE_STYLES[State(node.text)] if node.kind == "process" and node.text in list(State) else "dim"
    return f"{name}  {paint(printable(node.text), style)}{pid}"


_CHECK_STYLES: Final = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.UNKNOWN: "magenta",
    Status.FAILING: "red",
    Status.TIMEOUT: "red",
}


def health_lines(reply: HealthReply, paint: Paint) -> list[str]:
    """The node's line, and a table of the checks, those that are not well first."""
    node = reply.node
    lines = [f"{node.name} is {node.state.value}: {node.ready} of {node.wanted} processes ready"]
    order = list(Status)
    checks = sorted(reply.lines, key=lambda line: -order.index(line.status))
    rows = [
        (
            line.check,
            line.status.value if line.critical else f"({line.status.value})",
            line.process if line.process != line.check else "",
            "" if line.age is None else format_duration(line.age),
            line.reason,
        )
        for line in checks
    ]

    def style(row: int, column: int, _text: str) -> str:
        return "bold" if column == 0 else _CHECK_STYLES[checks[row].status] if column == 1 else ""

    header = ("CHECK", "STATUS", "PROCESS", "AGE", "REASON")
    return [*lines, *table(header, rows, right=frozenset({3}), style=style, color=paint)] if rows else lines


def why_lines(reply: WhyReply, paint: Paint) -> list[str]:
    """The process's state and reason, then its deaths, newest first."""
    process = reply.process
    state = paint(process.state.value, STATE_STYLES[process.state])
    since = "" if process.uptime is None else f" for {format_duration(process.uptime)}"
    pid = "" if process.pid is None else f", pid {process.pid}"
    lines = [f"{paint(printable(process.name), 'bold')} is {state}{since}{pid}"]
    if process.reason:
        lines[0] += f": {printable(process.reason)}"
    lines.append(f"restarts: {process.restarts}" if reply.deaths else "it has not died since the node booted")
    for death in reply.deaths:
        lines += ["", *_death_lines(death, paint)]
    return lines


def _death_lines(death: Death, paint: Paint) -> list[str]:
    how = f"{paint(str(death.exit), 'red')} after {format_duration(death.uptime)}"
    lines = [f"{clock(death.at)}  pid {death.pid}  {how}: {printable(death.cause)}"]
    if death.black_box:
        lines.append(f"  black box: {printable(death.black_box)}")
    lines += [f"  {paint('|', 'dim')} {printable_line(line)}" for line in death.last_lines]
    return lines


_SEVERITIES: Final = {"critical": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("i", "dim")}


def lint_lines(findings: Iterable[Finding], paint: Paint) -> list[str]:
    """What is wrong with the running system, a finding a line with what to do about it below."""
    lines = []
    for finding in findings:
        sign, style = _SEVERITIES.get(finding.severity, (" ", ""))
        where = finding.process or "the node"
        lines.append(f"{paint(sign, style)} {paint(printable(where), 'bold')}: {printable(finding.text)}")
        if finding.todo:
            lines.append(f"  {paint(printable(finding.todo), 'dim')}")
    return lines or ["nothing is wrong, as far as can be seen"]


_TONE_STYLES: Final[dict[Tone, str]] = {"good": "green", "bad": "red", "warn": "yellow", "": ""}


def event_line(event: Event, paint: Paint) -> str:
    """Time, kind and text of an event; the text names the process."""
    kind = paint(event.kind.ljust(_KIND), _TONE_STYLES[tone_of(event)])
    return f"{clock(event.at)}  {kind}  {printable(event.text or event.process)}".rstrip()


def log_lines(item: LogItem, paint: Paint, *, prefix: bool, terminal: bool) -> list[str]:
    """The lines of a log item; to a terminal, control characters other than colours are escaped."""
    lines = [printable_line(line) for line in item.lines] if terminal else list(item.lines)
    if not prefix:
        return lines
    name = paint(f"{item.process} |", name_style(item.process))
    return [f"{name} {line}" for line in lines]


def name_style(process: str) -> str:
    """The colour of a process's name: the same wherever it is shown."""
    return NAME_COLORS[sum(process.encode()) % len(NAME_COLORS)]


_NUMBERED: Final = re.compile(r'"<rpc \d+>"')
"""The name of an evaluation in its tracebacks, which is another one in each process."""


def grouped(replies: list[EvaluateReply], paint: Paint) -> list[str]:
    """Answers of several processes, those that are equal together: `web.1, web.2: (7, 3, 1)`."""
    groups: dict[tuple[bool, str], list[EvaluateReply]] = {}
    for reply in replies:
        text = (reply.value if reply.ok else reply.error) or ("None" if reply.ok else "")
        groups.setdefault((reply.ok, _NUMBERED.sub('"<rpc>"', text)), []).append(reply)
    lines = []
    for (ok, text), members in groups.items():
        names = ", ".join(paint(printable(reply.process), "bold") for reply in members)
        shown = [printable_line(line) for line in text.rstrip("\n").split("\n")]
        if len(shown) == 1:
            lines.append(f"{names}: {shown[0] if ok else paint(shown[0], 'red')}")
        else:
            lines += [f"{names}:", *(f"  {line}" for line in shown)]
    return lines


def clock(at: float) -> str:
    """Local wall-clock time of Unix seconds: `06:45:12.345`, with the date before today."""
    local = time.localtime(at)
    form = "%H:%M:%S" if local[:3] == time.localtime()[:3] else "%Y-%m-%d %H:%M:%S"
    return f"{time.strftime(form, local)}.{int(at % 1 * 1000):03d}"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
