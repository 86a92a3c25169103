"""What a node answers to those who look: status, tree, why. Reads /proc at most once a second."""

import os
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from limpet_supervisor.core.state import Instance, Phase, Tree
from limpet_supervisor.core.tree import waits_for
from limpet_supervisor.errors import NoSuchProcess
from limpet_supervisor.model.status import Member, NodeFacts, ProcessStatus, State
from limpet_supervisor.model.units import format_duration
from limpet_supervisor.runtime import procfs
from limpet_supervisor.wire.messages import TreeNode

from .node import Node

_FRESH: Final = 1.0
"""Seconds for which figures of /proc are good enough."""
_AGENT_GRACE: Final = 2.0
"""Seconds that a young process has to say hello before `none` needs a reason."""
_REASONS: Final = 5000
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class _Sample(NamedTuple):
    at: float
    pid: int
    ticks: int
    cpu: float | None
    memory: int | None


class Observer:
    """Looks at a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.consoles: Callable[[str], int] = lambda _instance: 0
        """How many consoles have variables in an instance's processes."""
        self._samples: dict[str, _Sample] = {}
        self._no_agent: dict[int, str] = {}
        self._pid = os.getpid()
        self._counted: Tree | None = None
        """The tree that `_counts` is of; a tree is never changed, so it tells whether they still hold."""
        self._counts = (0, 0)

    def names(self, name: str) -> tuple[str, ...]:
        """The instances that a name means: itself, or all of a process or of a supervisor.

        Raises:
            NoSuchProcess: it means none; says which there are.
        """
        tree = self._node.tree
        if name in tree.instances:
            return (name,)
        if name in tree.members:
            return tree.members[name]
        if name in tree.supervisors:
            below = {name}
            for supervisor in tree.supervisors.values():
                if supervisor.parent in below:
                    below.add(supervisor.name)
            return tuple(each.name for each in tree.in_order() if each.supervisor in below)
        there = ", ".join(tree.members)
        raise NoSuchProcess(f"There is no process {name}", f"there are {there}" if there else "there is none")

    def facts(self) -> NodeFacts:
        """The node's own line."""
        node = self._node
        if self._counted is not node.tree:
            wanted = [each for each in node.tree.instances.values() if each.wanted]
            self._counts = (len(wanted), sum(each.ready for each in wanted))
            self._counted = node.tree
        return NodeFacts(
            name=node.spec.name,
            version=node.spec.version,
            pid=self._pid,
            uptime=node.reactor.now() - node.started_at,
            state=node.state,
            wanted=self._counts[0],
            ready=self._counts[1],
            remarks=tuple(node.remarks.values()),
        )

    def status(self, names: Iterable[str] = ()) -> tuple[ProcessStatus, ...]:
        """A line for each instance, in start order.

        Raises:
            NoSuchProcess: a name means none.
        """
        tree = self._node.tree
        chosen = [instance for name in names for instance in self.names(name)]
        instances = [tree.instances[name] for name in chosen] if chosen else tree.in_order()
        self._sample(instances)
        return tuple(self.line(instance) for instance in instances)

    def line(self, instance: Instance) -> ProcessStatus:
        """The line of one instance."""
        now = self._node.reactor.now()
        alive = instance.pid is not None
        sample = self._samples.get(instance.name) if alive else None
        agent, why_none = self._agent(instance)
        vitals = self._node.vitals(instance.name) if alive else None
        return ProcessStatus(
            name=instance.name,
            state=instance.state,
            ready=instance.ready,
            pid=instance.pid,
            uptime=round(now - instance.started_at, 3) if alive else None,
            restarts=instance.restarts,
            cpu=sample.cpu if sample else None,
            memory=sample.memory if sample else None,
            agent=agent,
            agent_reason=why_none,
            reason=self._reason(instance, now),
            supervisor=instance.supervisor,
            agents=self.agents(instance),
            consoles=self.consoles(instance.name),
            lag=_rounded(vitals.lag.max) if vitals and vitals.lag else None,
            gil_wait=_rounded(vitals.gil_wait.max) if vitals and vitals.gil_wait else None,
            gc_pause=_rounded(vitals.gc.pause) if vitals else None,
            failures=self._node.failures(instance.name),
        )

    def agents(self, instance: Instance) -> tuple[str, ...]:
        """Names of its processes with an agent: its main process, then those below it, by pid.

        Those that multiprocessing starts for itself are none of the application's, and left out.
        """
        pids = {connection.pid for connection in self._node.agents.of(instance.name) if connection.is_process}
        main = [instance.name] if instance.pid in pids else []
        return (*main, *(f"{instance.name}/{pid}" for pid in sorted(pids) if pid != instance.pid))

    def _reason(self, instance: Instance, now: float) -> str | None:
        tree = self._node.tree
        state = instance.state
        if state is State.RUNNING:
            running = self._node.processes.running.get(instance.name)
            return running.status or None if running else None
        match state:
            case State.STARTING if instance.pid is None:
                waits = waits_for(tree, instance)
                if waits:
                    return f"waits for {', '.join(waits)}"
                supervisor = tree.supervisors[instance.supervisor]
                return None if supervisor.phase is Phase.RUNNING else "its supervisor is restarting"
            case State.STARTING:
                return f"not ready yet ({tree.specs[instance.process].ready.kind})"
            case State.BACKOFF:
                wait = max(0.0, (instance.retry_at or now) - now)
                return f"next start in {format_duration(wait)}; {self.last_end(instance)}"
            case State.STOPPING:
                waits_since = format_duration(now - instance.since)
                cause = instance.cause.value if instance.cause else "sweeping what it left behind"
                return f"{cause}; {self._node.processes.waiting_for(instance.name)} for {waits_since}"
            case State.EXITED | State.FAILED:
                return self.last_end(instance)
            case _:
                return None

    def last_end(self, instance: Instance) -> str:
        """How it last ended, in words."""
        if instance.exit is None:
            return "it has not run"
        deaths = self._node.deaths.get(instance.name)
        if deaths and deaths[0].pid == 0:
            return deaths[0].cause
        if deaths and deaths[0].cause != "ended by itself":
            return f"{deaths[0].cause} ({instance.exit})"
        return str(instance.exit)

    def killed(self, names: Iterable[str], since: float) -> list[str]:
        """A sentence for each of these instances that did not stop in time and was killed.

        Args:
            names: instances.
            since: wall-clock time at which they began to stop.
        """
        found = []
        for name in names:
            deaths = self._node.deaths.get(name)
            instance = self._node.tree.instances.get(name)
            if not deaths or instance is None or deaths[0].at < since or deaths[0].exit.signal != "SIGKILL":
                continue
            if self._node.spec_of(instance).shutdown:  # else it is always killed
                box = deaths[0].black_box
                where = f"; what it was doing is in {box}" if box else ""
                found.append(f"{name} had to be killed: {deaths[0].cause}{where}")
        return found

    def _agent(self, instance: Instance) -> tuple[str, str | None]:
        if any(connection.is_process for connection in self._node.agents.of(instance.name)):
            return "ready", None
        if instance.pid is None:
            return "none", "it does not run"
        spec = self._node.tree.specs[instance.process]
        if not spec.agent:
            return "none", "agent = false"
        if self._node.reactor.now() - instance.started_at < _AGENT_GRACE:
            return "none", "it has just been started"
        if instance.pid not in self._no_agent:
            self._no_agent[instance.pid] = why_no_agent(instance.pid)
            if len(self._no_agent) > _REASONS:
                del self._no_agent[next(iter(self._no_agent))]
        return "none", self._no_agent[instance.pid]

    def _sample(self, instances: Iterable[Instance]) -> None:
        now = self._node.reactor.now()
        for instance in instances:
            pid = instance.pid
            if pid is None:
                continue
            last = self._samples.get(instance.name)
            if last is not None and last.pid == pid and now - last.at < _FRESH:
                continue
            used = procfs.usage([pid, *procfs.children(pid)]).values()
            ticks = sum(each.ticks for each in used)
            memory = sum(each.rss for each in used) if used else None
            if last is not None and last.pid == pid:
                since, before = last.at, last.ticks
            else:
                since, before = instance.started_at, 0
            spent = max(0.0, (ticks - before) / _TICKS)
            cpu = round(100 * spent / (now - since), 1) if now > since else None
            self._samples[instance.name] = _Sample(now, pid, ticks, cpu, memory)
        there = self._node.tree.instances
        if len(self._samples) > len(there):
            self._samples = {name: sample for name, sample in self._samples.items() if name in there}

    # -- tree ---------------------------------------------------------------------------------------------

    def tree(self) -> TreeNode:
        """The supervision tree with the processes below each process; the root bears the node's name."""
        return replace(self._supervisor(self._node.tree.root), name=self._node.spec.name)

    def _supervisor(self, name: str) -> TreeNode:
        tree = self._node.tree
        supervisor = tree.supervisors[name]
        flags = supervisor.spec
        children: list[TreeNode] = []
        for unit in supervisor.units:
            if unit in tree.specs:
                children += [self._process(tree.instances[member]) for member in tree.members[unit]]
            else:
                children.append(self._supervisor(unit))
        within = format_duration(flags.max_seconds)
        phase = "" if supervisor.phase is Phase.RUNNING else f", {supervisor.phase.value}"
        return TreeNode(
            name=name,
            kind="supervisor",
            text=f"{flags.strategy.value}, {flags.max_restarts} restarts in {within}{phase}",
            children=tuple(children),
        )

    def _process(self, instance: Instance) -> TreeNode:
        reason = self._reason(instance, self._node.reactor.now())
        text = instance.state.value + (f": {reason}" if reason else "")
        return TreeNode(
            name=instance.name,
            kind="process",
            text=text,
            pid=instance.pid,
            members=self.members(instance),
        )

    def members(self, instance: Instance) -> tuple[Member, ...]:
        """The processes below an instance's main process."""
        if instance.pid is None:
            return ()
        agents = {connection.pid: connection for connection in self._node.agents.of(instance.name)}
        found = []
        for pid in procfs.children(instance.pid):
            facts = procfs.stat(pid)
            if facts is not None:
                found.append(
                    Member(
                        pid=pid,
                        ppid=facts.ppid,
                        command=procfs.command(pid),
                        memory=facts.rss,
                        agent=("ready" if agents[pid].is_process else "helper") if pid in agents else "none",
                    )
                )
        return tuple(found)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def why_no_agent(pid: int) -> str:
    """Why a process that has been up for a while carries no agent."""
    try:
        image = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return "its executable may not be seen"
    if not image.startswith("python"):
        return f"{image} is no Python"
    return "its Python ignores PYTHONPATH (-E, -I, -S) or is older than 3.11"
