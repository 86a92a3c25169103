"""Bringing a node up in this process, and down again: what `start` does.

Order: lock the directory; clear what a crash left; evaluate the run-time configuration; listen; start the
processes; then, when they run, import what is heavy and open the control socket.
"""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final

from limpet_supervisor.client import directory
from limpet_supervisor.errors import BootFailed
from limpet_supervisor.model.spec import OTLP, NodeSpec, is_configured, processes
from limpet_supervisor.model.status import Death
from limpet_supervisor.runtime import prctl, spawn
from limpet_supervisor.runtime.agents import OF_ONE, Agents
from limpet_supervisor.runtime.children import Children
from limpet_supervisor.runtime.limits import raise_file_limit
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.runtime.sockets import Listeners

from .announcements import Announcements, Witness
from .blackbox import BlackBoxes
from .bundle import Stage1
from .counts import Counts
from .ground import Ground
from .node import Node
from .processes import Processes

if TYPE_CHECKING:
    from limpet_supervisor.runtime.stacks import Ladder

    from .detail import Details
    from .reports import Reports
    from .stuck import Stuck

EXIT_CODES: Final = {"shutdown": 0, "auto_shutdown": 0, "escalated": 1}
HEALTH: Final = "LIMPET_HEALTH"
"""The variable that says where health and metrics are served."""
_CONTROL_EVERY: Final = 1.0
_STOPS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def foreground(spec: NodeSpec, *, color: bool, for_console: bool = False) -> int:
    """Runs a node in this very process until it ends; its output, and its processes', goes to stdout.

    Args:
        spec: what to run.
        color: whether names of processes are coloured.
        for_console: a console shows the output: what is evaluated there is not repeated.

    Returns:
        The exit code: 0 after a stop, 1 after an escalation.

    Raises:
        LimpetError: it cannot be brought up; nothing of it is left.
    """
    unsaid = frozenset({"evaluated"} if for_console else ())
    return Daemon(spec, stdout=sys.stdout.fileno(), color=color, unsaid=unsaid).run()


def node_name(spec: NodeSpec) -> str:
    """The name under which the node is found: RELEASE_NODE without its host, or the release's."""
    return os.environ.get("RELEASE_NODE", "").partition("@")[0] or spec.name


class Daemon:
    """One node and all that it stands on."""

    def __init__(
        self,
        spec: NodeSpec,
        *,
        stdout: int | None,
        color: bool = False,
        witness: Witness | None = None,
        log: Callable[[str], None] | None = None,
        unsaid: frozenset[str] = frozenset(),
    ) -> None:
        self._spec = spec
        self._witness = witness
        self._code = 0
        self._restarting = False
        self._interrupts = 0
        self._log_line = log
        self._unsaid = unsaid | {"started"}
        """Kinds of events that are left out of the log."""
        # A stop before the loop runs ends the boot; in a second life both may be blocked since the first.
        signal.signal(signal.SIGTERM, _stopped)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        self._cwd = os.getcwd()
        self._nofile = raise_file_limit()
        prctl.become_subreaper()
        self._reactor = Reactor()
        self._ground = Ground(directory.prepare(node_name(spec)))
        self._listeners = Listeners()
        self._made_reports: Reports | None = None
        self._output: Output | None = None
        try:
            self._build(spec, stdout, color=color)
        except OSError as error:
            self._abandon()
            where = f"{error.filename}: " if error.filename else ""
            raise BootFailed(f"{spec.name} cannot be brought up", f"{where}{error.strerror}") from error
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """A boot that fails leaves nothing behind."""
        self._listeners.close()
        if self._output is not None:
            self._output.shutdown()
        self._ground.leave()

    def _build(self, spec: NodeSpec, stdout: int | None, *, color: bool) -> None:
        run = self._ground.directory
        cleared = self._ground.clear()
        specs = processes(spec.root)
        users = frozenset(uid for uid in (spawn.owner(each)[0] for each in specs) if uid >= 0)
        injection = self._ground.lay_out_agent(for_others=bool(users))
        values = self._evaluate_configuration(injection, users)
        self._listeners.bind(spec.sockets)
        output = self._output = Output(
            self._reactor,
            f"{run.path}/output",
            run.logs,
            stdout=stdout,
            color=color,
            most=spec.max_logs,
        )
        for line in cleared:
            self._log(line)
        children = Children(self._reactor)
        agents = Agents(
            self._reactor,
            run.agents,
            bundle=Stage1(self._reactor).frame,
            uids=users,
            owner=self._owner,
            on_push=lambda connection, kind, data: self._reports().pushed(connection, kind, data),
        )

        agents.on_excess = self._exceeds

        @cache
        def ladder() -> "Ladder":
            from limpet_supervisor.runtime.stacks import Ladder

            return Ladder(self._reactor, children, agents)

        self._ladder = ladder
        boxes = BlackBoxes(self._reactor, f"{run.path}/blackbox", output, ladder)
        self.node = Node(
            spec,
            self._reactor,
            output=output,
            agents=agents,
            boxes=boxes,
            log=self._log_event,
            on_end=self._ended,
        )
        self.node.processes = Processes(
            self._reactor,
            self.node,
            children=children,
            output=output,
            store=self._ground.store,
            around=spawn.Surroundings(
                environ=spawn.inherited(os.environ, spec),
                directory=spec.directory,
                python=spec.python,
                run=run.path,
                sockets=tuple(self._listeners.descriptors),
                agents=run.agents,
                injection="" if spec.release_root else injection,
                values=values,
            ),
            notify_path=self._ground.notify,
            nofile=self._nofile,
            judge=lambda name, liveness: self._reports().judge(name, liveness),
        )
        self._agents = agents
        self._announcements = Announcements(self.node, self._witness, self._log)
        self._counts = Counts()
        self.node.subscribers[self] = self._counts.heard
        self._reactor.on_signal(signal.SIGTERM, self._terminated)

    def _reports(self) -> "Reports":
        """What processes report, and what comes of it; loaded when the first of it is needed."""
        if self._made_reports is None:
            from .observe import Observer
            from .reports import Reports

            run = self._ground.directory
            self._made_reports = Reports(
                self.node,
                Observer(self.node),
                counts=self._counts,
                directories=(run.path, run.logs),
                control=lambda: getattr(self, "_control", None),
                log=self._log,
            )
        return self._made_reports

    def _owner(self, pid: int) -> str | None:
        return self.node.processes.owner_of(pid)

    def _exceeds(self, pid: int) -> None:
        name = self._owner(pid) or "a process that is none of this node's"
        self._log(
            f"{name}: pid {pid} has {OF_ONE} connections to the agents' socket and is refused more: "
            "something in it dials LIMPET_AGENT, which is for Limpet's agent alone"
        )

    def _evaluate_configuration(self, injection: str, users: frozenset[int]) -> str:
        """Path of the values of config/runtime.py, one file for each user; empty without a runtime.py."""
        if not is_configured(self._spec):
            return ""
        from limpet_supervisor.runtime import boot_config

        path = f"{self._ground.directory.path}/values.json"
        values = boot_config.evaluate(self._spec, injection, os.environ)
        boot_config.write(values, path)
        for uid in users:
            boot_config.write(values, spawn.values_for(path, uid), uid=uid)
        return path

    # -- running ------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Runs until the node has ended; returns the exit code, or becomes the node's next life."""
        os.chdir(self._spec.directory)
        reactor = self._reactor
        reactor.on_error = self._bug
        reactor.on_signal(signal.SIGINT, self._interrupted)
        reactor.on_signal(signal.SIGHUP, self._hung_up)
        reactor.on_signal(signal.SIGUSR1, self.node.output.reopen)
        reactor.on_signal(signal.SIGUSR2, self._dump)
        self._log(f"{self._spec.name} {self._spec.version} starts as pid {os.getpid()}")
        self._announcements.begin()
        self.node.boot()
        reactor.call_soon(self._ground.let_go)
        reactor.call_soon(self._open_control)
        reactor.run()
        return self._code

    def _open_control(self) -> None:
        """The control socket, once the processes run: ZeroMQ costs more to import than all they cost."""
        if self.node.processes.starting:
            self._reactor.call_soon(self._open_control)
            return
        from zmq import ZMQError

        from .consoles import Consoles
        from .control import Control
        from .handlers import Handlers
        from .observe import Observer

        observer = Observer(self.node)
        run = self._ground.directory

        def details() -> "Details":
            from .detail import Details

            reports = self._reports()
            return Details(
                self.node,
                observer,
                (run.path, run.logs),
                self._listeners.descriptors,
                aside=reports.aside,
                sampler=reports.sampler,
                monitor=reports.monitor,
            )

        def stuck() -> "Stuck":
            from .stuck import Stuck

            return Stuck(self.node, observer, self._ladder())

        consoles = Consoles(self.node, observer)
        handlers = Handlers(
            self.node,
            observer,
            consoles,
            details=details,
            reports=self._reports,
            stuck=stuck,
            restart=self._restart,
        )
        path = run.control
        try:
            self._control = Control(self._reactor, path, handlers.handle, handlers.gone)
        except (ZMQError, OSError) as error:
            self._log(f"{path} cannot be opened: {error.strerror}; it is tried again each second")
            self._reactor.call_later(_CONTROL_EVERY, self._open_control)
            return
        self._handlers = handlers
        if bind := health_bind(self._spec):
            self._reports().serve(bind)
        if self._spec.otlp.endpoint or OTLP in os.environ:
            self._reports().push(run.path)
        self._announcements.can_be_asked(observer)

    def _restart(self, restarting: bool) -> None:
        """Whether the node boots again when it has stopped: what was asked for last."""
        self._restarting = restarting

    def _terminated(self) -> None:
        self._interrupts += 1
        self._restarting = False
        self.node.shut_down()

    def _interrupted(self) -> None:
        self._restarting = False
        self._interrupts += 1
        if self._interrupts == 1:
            self.node.shut_down()
        else:
            self._log("interrupted again: killing what is left")
            self.node.kill_all()

    def _hung_up(self) -> None:
        """The terminal is gone, or someone asks for what is not there yet."""
        if os.isatty(0):
            self.node.shut_down()
        else:
            self._log(
                "HUP: nothing is reloaded; `limpet restart` boots again with the configuration as it is"
            )

    def _bug(self, error: Exception) -> None:
        """An exception that should not have come up to the loop: said, counted, and the node goes on."""
        with suppress(OSError):  # whoever takes the log may be what failed
            self._log("a bug in limpet; please report it:\n" + "".join(traceback.format_exception(error)))

    def _dump(self) -> None:
        """USR2: the state of everything, into the log."""
        for instance in self.node.tree.in_order():
            self._log(f"{instance.name}: {instance.state.value}, pid {instance.pid}")

    def _log_event(self, kind: str, text: str) -> None:
        if kind not in self._unsaid:
            self._log(text)

    def _log(self, text: str) -> None:
        if self._log_line is not None:
            self._log_line(text)
        elif self._output is not None:
            self._output.say(text)

    # -- ending -------------------------------------------------------------------------------------------

    def _ended(self, reason: str) -> None:
        """Nothing runs any more: what is to be told at the end is told, and the node ends."""
        if self._made_reports is None:
            self._end(reason)
            return
        try:
            self._made_reports.finish(lambda: self._end(reason))
        except BaseException:
            self._end(reason)  # whatever goes wrong, it ends
            raise

    def _end(self, reason: str) -> None:
        self._code = 1 if self._announcements.failed_boot else EXIT_CODES[reason]
        node = self.node
        self._reactor.stop()  # whatever goes wrong from here on, it ends
        what, why, lines = _blame(node)
        if self._code == 0:
            self._log(f"{self._spec.name} is stopped")
        else:
            self._log(f"{self._spec.name} has failed: {why}")
            self._ground.leave_failure(why)
        self._announcements.ended(what, why, lines)
        if hasattr(self, "_handlers"):
            self._handlers.finish(restarting=self._restarting)
            self._control.close()
        if self._made_reports is not None:
            self._made_reports.close()
        self._agents.close()
        node.processes.close()
        node.output.shutdown()
        self._listeners.close()
        self._ground.leave()
        if self._restarting:
            self._boot_again()

    def _boot_again(self) -> None:
        """Becomes the node's next life: the same command, where and with what it was started."""
        # Race: a stop that comes from here on waits, blocked, for the next life; one that has come is kept.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        if _STOPS & self._reactor.arrived():
            return
        self._reactor.close()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, self._nofile)
            os.chdir(self._cwd)
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        except OSError as error:
            self._code = 1
            sys.stderr.write(f"limpet: {self._spec.name} cannot boot again. {error.strerror}. start it\n")


def health_bind(spec: NodeSpec) -> str:
    """Where health and metrics shall be served: LIMPET_HEALTH, or what is configured; empty: nowhere."""
    bind = os.environ.get(HEALTH, spec.health.bind)
    return "" if bind.lower() in ("off", "none") else bind


def _stopped(_number: int, _frame: object) -> None:
    """TERM while the node boots: what there is of it is taken down, and that is a stop as any other."""
    sys.exit(0)


def _blame(node: Node) -> tuple[str, str, tuple[str, ...]]:
    """What failed, why, and the last lines of whoever is to blame: the last that ended by itself."""
    deaths: list[tuple[str, Death]] = [
        (name, death)
        for name, of_name in node.deaths.items()
        for death in of_name
        if not death.cause.startswith(("stopped", "restarted", "removed"))
    ]
    what = f"{node.spec.name} did not come up"
    if not deaths:
        return what, "it was stopped", ()
    name, death = max(deaths, key=lambda each: each[1].at)
    how = death.cause if death.pid == 0 else f"{death.exit} after {death.uptime:.1f}s"
    cause = "" if death.cause == "ended by itself" or death.pid == 0 else f" ({death.cause})"
    # Race: what a process that dies at once says may have come with the death before.
    lines = next((each.last_lines for each in node.deaths[name] if each.last_lines), ())
    return what, f"{name}: {how}{cause}", lines
