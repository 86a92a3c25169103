"""What a node tells those who watch it: the system it stands on, what its processes use, all about one.

Everything is read beside the loop and only when asked for; the environment and the spec go out with their
secrets masked.
"""

import math
import os
import pwd
import socket
import struct
import sys
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from limpet_supervisor import __version__
from limpet_supervisor.core.state import Instance
from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model import figures as f
from limpet_supervisor.model.masking import masked, masked_arguments, masked_text
from limpet_supervisor.model.spec import ProcessSpec
from limpet_supervisor.model.units import Duration, Shutdown, Size, format_duration, format_size
from limpet_supervisor.runtime import descriptors, host, procfs, threads
from limpet_supervisor.runtime.aside import Aside
from limpet_supervisor.wire import messages as m

from .control import Answer
from .figures import Sampler, Taken
from .lints import Facts, lints
from .node import Node
from .observe import Observer
from .vitals import Monitor

_ENVIRON: Final = 256 * 1024
"""Bytes read of an environment."""
_TCP_INFO: Final = struct.Struct("8x4x4x4x4xII")
"""tcp(7): of a listening socket, connections that wait (tcpi_unacked) and that may (tcpi_sacked)."""


class Details:
    """Answers System, Sample, Detail and Lints.

    Args:
        directories: whose file systems must not run full.
        sockets: the node's listening sockets, name and descriptor.
        aside: where what may have to wait is done.
        sampler: knows what the processes use.
    """

    def __init__(
        self,
        node: Node,
        observer: Observer,
        directories: tuple[str, ...],
        sockets: Iterable[tuple[str, int]],
        *,
        aside: Aside,
        sampler: Sampler,
        monitor: Monitor,
    ) -> None:
        self._node = node
        self._observer = observer
        self._directories = directories
        self._sockets = sockets
        self._aside = aside
        self._sampler = sampler
        self._monitor = monitor

    def system(self, answer: Answer) -> None:
        """The node and what it stands on."""
        agents = sum(1 for _ in self._node.agents)
        python = sys.version.split()[0]
        directories = self._directories
        binds = {spec.name: spec.bind for spec in self._node.spec.sockets}
        sockets = [(name, binds.get(name, ""), fd) for name, fd in self._sockets]

        def look() -> m.SystemReply:
            return m.SystemReply(
                node=facts,
                own=host.own(__version__, python, agents),
                host=host.host(),
                limits=host.limits(*directories),
                sockets=tuple(_listening(*each) for each in sockets),
            )

        facts = self._observer.facts()
        self._aside.do(look, answer.reply, answer.fail)

    def sample(self, answer: Answer) -> None:
        """A line for each process, and what each uses."""

        def then(taken: Taken) -> None:
            answer.reply(
                m.SampleReply(
                    at=taken.at,
                    node=self._observer.facts(),
                    processes=tuple(self._observer.line(each) for each in self._node.tree.in_order()),
                    figures=taken.figures,
                    cost=taken.cost,
                )
            )

        self._sampler.take(then, answer.fail)

    def detail(self, name: str, answer: Answer) -> None:
        """All about one instance.

        Raises:
            NoSuchProcess: there is none of that name.
        """
        instance = self._node.tree.instances[self._observer.names(name)[0]]
        running = self._node.processes.running.get(instance.name)
        spec = self._node.tree.specs[instance.process]

        def sampled(taken: Taken) -> None:
            figures = next(
                (each for each in taken.figures if each.name == instance.name), f.Figures(instance.name)
            )
            known = f.Detail(
                name=instance.name,
                figures=figures,
                started_at=running.wall if running else None,
                spec=shown_spec(spec),
            )
            self._with_proc(known, instance, answer)

        self._sampler.take(sampled, answer.fail)

    def _with_proc(self, known: f.Detail, instance: Instance, answer: Answer) -> None:
        def look() -> f.Detail:
            return look_at(instance.pid, known) if instance.pid is not None else known

        def then(detail: f.Detail) -> None:
            here = self._node.tree.instances.get(instance.name)
            if here is None:
                answer.fail(LimpetError(f"{instance.name} is no more", "it has just been removed"))
                return
            answer.reply(
                m.DetailReply(
                    process=self._observer.line(here),
                    detail=detail,
                    deaths=tuple(self._node.deaths.get(instance.name, ())),
                )
            )

        self._aside.do(look, then, answer.fail)

    def lints(self, answer: Answer) -> None:
        """What is wrong, or will be soon."""
        directories = self._directories

        def sampled(taken: Taken) -> None:
            self._aside.do(lambda: host.limits(*directories), lambda found: told(taken, found), answer.fail)

        def told(taken: Taken, limits: tuple[f.Limit, ...]) -> None:
            facts = [facts for each in taken.figures if (facts := self._facts(each)) is not None]
            answer.reply(m.LintsReply(findings=lints(facts, limits, time.time())))

        self._sampler.take(sampled, answer.fail)

    def _facts(self, figures: f.Figures) -> Facts | None:
        instance = self._node.tree.instances.get(figures.name)
        if instance is None:
            return None
        spec = self._node.tree.specs[instance.process]
        status = self._observer.line(instance)
        return Facts(
            status=status,
            figures=figures,
            deaths=tuple(self._node.deaths.get(figures.name, ())),
            samples=tuple(self._sampler.history.get(figures.name, ())),
            shutdown=float(spec.shutdown),
            max_memory=int(spec.max_memory) if spec.max_memory is not None else None,
            wants_agent=spec.agent,
            waits_on_full=spec.log.on_full == "block",
            lag=status.lag,
            blocked=self._blocked(figures.name),
        )

    def _blocked(self, name: str) -> tuple[float, str] | None:
        """For how long an instance does nothing, of all its processes the worst, and what is known of it."""
        found = (self._monitor.blocked(each) for each in self._node.agents.of(name) if each.is_process)
        return max((each for each in found if each is not None), default=None)


def look_at(pid: int, known: f.Detail) -> f.Detail:
    """`known`, with what /proc tells of the process; it may have to wait for the kernel."""
    environ, notes = _environ(pid)
    opened = descriptors.look(pid)
    return msgspec.structs.replace(
        known,
        command=tuple(masked_arguments(_arguments(pid))),
        executable=_link(pid, "exe"),
        cwd=_link(pid, "cwd"),
        user=_user(pid),
        environ={name: masked(name, value) for name, value in sorted(environ.items())},
        limits=_limits(pid, known.figures),
        files=opened.files,
        connections=opened.connections,
        threads=tuple(
            f.ThreadFacts(
                each.tid,
                each.name,
                threads.WORDS.get(each.state, each.state),
                each.ticks / procfs.TICKS_PER_SECOND,
                each.waits_in,
            )
            for each in threads.look(pid)
        ),
        notes=(*notes, *opened.notes),
    )


def shown_spec(spec: ProcessSpec) -> dict[str, Any]:
    """A child spec as people write it, its secrets masked."""
    plain = msgspec.to_builtins(spec, enc_hook=_as_written, builtin_types=())
    return {key: _masked(key, value) for key, value in plain.items() if key != "names_sockets"}


def _as_written(value: Any) -> Any:
    if isinstance(value, Shutdown):
        return str(value)
    if isinstance(value, Duration):
        return (
            "infinity"
            if math.isinf(value)
            else format_duration(value)
            if value >= 1 or not value
            else f"{value * 1000:g}ms"
        )
    if isinstance(value, Size):
        return format_size(value)
    raise NotImplementedError(type(value))


def _masked(key: str, value: Any) -> Any:
    match value:
        case str():
            return masked_text(value)
        case dict() if key == "env":
            return {name: masked(name, text) for name, text in value.items()}
        case dict():
            return {name: _masked(name, each) for name, each in value.items()}
        case list() | tuple():
            words = all(isinstance(each, str) for each in value)
            return masked_arguments(value) if words else [_masked(key, each) for each in value]
        case _:
            return value


def _arguments(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(65536).rstrip(b"\0").decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def _environ(pid: int) -> tuple[dict[str, str], list[str]]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            data = file.read(_ENVIRON)
    except OSError as error:
        return {}, [f"its environment cannot be read: {error.strerror}"]
    notes = ["its environment is long: not all of it was read"] if len(data) == _ENVIRON else []
    pairs = (os.fsdecode(entry).partition("=") for entry in data.split(b"\0") if entry)
    return {name: value.encode("utf-8", "replace").decode() for name, _, value in pairs}, notes


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def _user(pid: int) -> str:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _limits(pid: int, figures: f.Figures) -> tuple[f.Limit, ...]:
    """The limits of its main process that can be compared with something."""
    found = []
    fds = procfs.descriptors(pid)
    if fds is not None and figures.fds_limit:
        found.append(f.Limit("open descriptors", fds, figures.fds_limit))
    return tuple(found)


def _listening(name: str, bind: str, fd: int) -> f.Listening:
    try:
        with socket.socket(fileno=os.dup(fd)) as listening:
            if listening.family == socket.AF_UNIX:
                return f.Listening(name, bind)
            data = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return f.Listening(name, bind)
    return f.Listening(name, bind, *_TCP_INFO.unpack(data))
