"""The processes of a node: executes what the policy wants of them, and tells it what became of them."""

import errno
import os
import random
import resource
import signal
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from limpet_supervisor.core import events as ev
from limpet_supervisor.core.state import Cause, Instance
from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.spec import Liveness, ProcessSpec, Ready
from limpet_supervisor.model.status import Exit
from limpet_supervisor.model.units import format_duration, format_size
from limpet_supervisor.runtime import procfs, spawn
from limpet_supervisor.runtime.children import Children
from limpet_supervisor.runtime.limits import SHORTAGES
from limpet_supervisor.runtime.notify import NotifySocket
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.probes import LivenessCheck, Readiness, ReportCheck
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.runtime.store import Record, Store
from limpet_supervisor.runtime.sweep import Sweep

_PER_TURN: Final = 64
"""Processes started, or recorded, in one turn of the loop."""
_FEW: Final = 100
"""Up to so many children, a node that stops looks after each for what it has left; of more, in the end."""
_STOPS: Final = frozenset({Cause.COMMAND, Cause.RESTART, Cause.REMOVED, Cause.SUPERVISOR})
_RECORD_AGAIN: Final = 1.0
"""Seconds until a record that could not be written, say on a full disk, is tried again."""
_SWEEP_GRACE: Final = 5.0
"""Seconds at most for what a crashed process has left behind, before its successor starts."""
_RESERVED: Final = 40
"""Descriptors that are left for the control socket and its clients."""
_MEMORY_EVERY: Final = 5.0


Check = TypeVar("Check", Ready, Liveness)


class Cancellable(Protocol):
    """A check, a watch or a timer."""

    def cancel(self) -> None:
        """It calls nobody any more."""


Judge = Callable[[str, Liveness], tuple[bool | None, str]]
"""Whether an instance passes a liveness check of what it reports itself; None: that is not known; and why."""


class Running:
    """What is held for one process that runs, beside the policy's Instance."""

    __slots__ = ("pid", "spec", "started_at", "status", "until_end", "until_ready", "wall")

    def __init__(self, pid: int, spec: ProcessSpec, started_at: float) -> None:
        self.pid = pid
        self.spec = spec
        self.started_at = started_at
        self.wall = time.time()
        self.status = ""
        """Its last STATUS= (sd_notify(3))."""
        self.until_ready: list[Cancellable] = []
        self.until_end: list[Cancellable] = []


class Policy(Protocol):
    """What the processes need of the node."""

    def feed(self, *events: ev.Event) -> None:
        """Something has happened."""

    def instance(self, name: str) -> Instance | None:
        """The policy's view of an instance."""

    def spec_of(self, instance: Instance) -> ProcessSpec:
        """The spec of an instance's process."""

    @property
    def stopping(self) -> bool:
        """Whether the node stops: in the end, nothing that descends from it is left."""


class Processes:
    """Spawns, watches, signals, sweeps."""

    def __init__(
        self,
        reactor: Reactor,
        policy: Policy,
        *,
        children: Children,
        output: Output,
        store: Store,
        around: spawn.Surroundings,
        notify_path: Callable[[str], str],
        nofile: tuple[int, int],
        judge: Judge,
    ) -> None:
        self.running: dict[str, Running] = {}
        self._judge = judge
        self._names: dict[int, str] = {}
        """Main pid -> instance."""
        self._reactor = reactor
        self._policy = policy
        self._children = children
        self._output = output
        self._store = store
        self._around = around
        self._notify_path = notify_path
        self._nofile = nofile
        """The limits that the daemon itself was started with; its children get them back."""
        self._launches: dict[str, tuple[ProcessSpec, spawn.Launch]] = {}
        self._outputs: dict[str, str] = {}
        self._notify: dict[str, NotifySocket] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._to_spawn: deque[str] = deque()
        self._to_record: deque[str] = deque()
        self._unrecorded: dict[str, None] = {}
        """Instances whose records could not be written; tried again, all of them at once."""

    def owner_of(self, pid: int) -> str | None:
        """The instance whose main process `pid` is or descends from; None if its ancestors do not tell."""
        me = os.getpid()
        while pid not in (0, 1, me):
            if (name := self._names.get(pid)) is not None:
                return name
            if (facts := procfs.stat(pid)) is None:
                return None
            pid = facts.ppid
        return None

    @property
    def starting(self) -> bool:
        """Whether some of what was to be started is not yet."""
        return bool(self._to_spawn)

    # -- starting -----------------------------------------------------------------------------------------

    def start(self, names: list[str]) -> None:
        """Starts instances, in order; when there are many, the loop breathes between batches."""
        scheduled = bool(self._to_spawn)
        self._to_spawn.extend(names)
        if not scheduled:
            self._spawn_some()

    def _spawn_some(self) -> None:
        for _ in range(min(_PER_TURN, len(self._to_spawn))):
            self._spawn(self._to_spawn[0])
            self._to_spawn.popleft()
        if self._to_spawn:
            self._reactor.call_soon(self._spawn_some)
        else:
            self._policy.feed()  # that nothing is left to be started may be all that the node waits for

    def _spawn(self, name: str) -> None:
        instance = self._policy.instance(name)
        if instance is None:
            return
        spec = self._policy.spec_of(instance)
        early: list[Cancellable] = []
        try:
            self._leave_some_descriptors()
            cached = self._launches.get(name)
            if cached is None or cached[0] is not spec:
                cached = self._launches[name] = (spec, self._prepare(spec, name))
            if spec.ready.kind == "log":
                # Race: the pump moves its first lines while we still spawn, so its match comes first.
                passed = self._output.match(
                    name, spec.ready.target, lambda _line: self._passed(name, running)
                )
                early.append(passed)
            pid = self._posix_spawn(cached[1])
        except (OSError, ValueError, LimpetError) as error:  # ValueError: a zero byte in its environment
            self._cancel(early)
            self._launches.pop(name, None)
            self._policy.feed(_spawn_failed(name, error))
            return
        running = Running(pid, spec, self._reactor.now())
        running.until_ready = early
        self.running[name] = running
        self._names[pid] = name
        self._children.watch(pid, lambda how: self._ended(name, running, how))
        self._policy.feed(ev.Spawned(name, pid))
        if spec.ready.kind in ("tcp", "http", "exec"):
            self._probe_readiness(name, running)
        self._watch_limits(name, running)
        self._record([name])

    def _leave_some_descriptors(self) -> None:
        """A node that has no descriptor left can neither be asked nor told: the last ones are for that.

        Raises:
            OSError: only those are left.
        """
        lowest = os.dup(2)
        os.close(lowest)
        if lowest >= self._nofile[1] - _RESERVED:
            raise OSError(errno.EMFILE, f"{os.strerror(errno.EMFILE)} (RLIMIT_NOFILE is {self._nofile[1]})")

    def _posix_spawn(self, launch: spawn.Launch) -> int:
        # Race: what it inherits holds from its first instruction on; to give it a limit later is too late.
        resource.setrlimit(resource.RLIMIT_NOFILE, self._nofile)
        try:
            return spawn.spawn(launch)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._nofile[1], self._nofile[1]))

    def _prepare(self, spec: ProcessSpec, name: str) -> spawn.Launch:
        output = self._outputs.get(name)
        if output is None:
            output = self._outputs[name] = self._output.open(name, spec.log)
        notify = None
        if spec.ready.kind == "notify":
            if name not in self._notify:
                self._notify[name] = NotifySocket(
                    self._reactor, self._notify_path(name), lambda said, _pid: self._notified(name, said)
                )
            notify = self._notify[name].path
        launch = spawn.prepare(spec, name, self._around, output=output, notify=notify)
        if spec.user or spec.group:
            uid, gid = spawn.owner(spec)
            os.chown(output, uid, gid)
            if notify is not None:
                self._notify[name].chown(uid, gid)
        return launch

    def _record(self, names: Iterable[str]) -> None:
        if not self._to_record:
            self._reactor.call_soon(self._record_some)
        self._to_record.extend(names)

    def _record_some(self) -> None:
        """The durable state, after the spawns: what a successor needs to find the processes again."""
        for _ in range(min(_PER_TURN, len(self._to_record))):
            name = self._to_record.popleft()
            running = self.running.get(name)
            if running is None:
                continue
            fingerprint = f"{zlib.crc32(msgspec.msgpack.encode(running.spec.command)):08x}"
            started = procfs.start_time(running.pid)
            if started is not None:
                record = Record(
                    name, running.pid, started, running.wall, fingerprint, self._outputs.get(name, "")
                )
                try:
                    self._store.put(record)
                except (
                    OSError
                ):  # a full disk must not stop a process; until it is written no successor finds it
                    if not self._unrecorded:
                        self._reactor.call_later(_RECORD_AGAIN, self._record_again)
                    self._unrecorded[name] = None
        if self._to_record:
            self._reactor.call_soon(self._record_some)

    def _record_again(self) -> None:
        names, self._unrecorded = self._unrecorded, {}
        self._record(names)

    # -- watching -----------------------------------------------------------------------------------------

    def _passed(self, name: str, running: Running) -> None:
        """It has been seen to be ready."""
        if self.running.get(name) is running:
            self._policy.feed(ev.BecameReady(name))

    def _probe_readiness(self, name: str, running: Running) -> None:
        running.until_ready.append(
            Readiness(
                self._reactor,
                self._children,
                _by_its_user(running.spec, running.spec.ready),
                lambda: self._passed(name, running),
                environ=_for_checks(self._launches[name][1].environ),
                cwd=self._cwd(running.spec),
            )
        )

    def _notified(self, name: str, said: dict[str, str]) -> None:
        running = self.running.get(name)
        if running is None:
            return
        running.status = said.get("STATUS", running.status)
        if said.get("READY") == "1":
            self._policy.feed(ev.BecameReady(name))

    def became_ready(self, name: str) -> None:
        """The policy counts it as ready: readiness is checked no more, liveness from now on."""
        running = self.running.get(name)
        if running is None:
            return
        self._cancel(running.until_ready)
        liveness = running.spec.liveness
        if liveness is not None:

            def failed(failures: int, detail: str) -> None:
                if failures >= liveness.failures:
                    self._fault(name, running, Cause.LIVENESS, f"liveness check failed: {detail}")

            if liveness.kind in ("health", "loop"):
                running.until_end.append(
                    ReportCheck(self._reactor, liveness, lambda: self._judge(name, liveness), failed)
                )
                return
            running.until_end.append(
                LivenessCheck(
                    self._reactor,
                    self._children,
                    _by_its_user(running.spec, liveness),
                    failed,
                    environ=_for_checks(self._launches[name][1].environ),
                    cwd=self._cwd(running.spec),
                )
            )

    def _watch_limits(self, name: str, running: Running) -> None:
        spec = running.spec
        if spec.max_age is not None:
            age = float(spec.max_age) * (1 + 0.1 * random.random())
            text = f"reached max_age of {format_duration(spec.max_age)}"
            timer = self._reactor.call_later(age, lambda: self._fault(name, running, Cause.AGE, text))
            running.until_end.append(timer)
        if spec.max_memory is not None:
            self._watch_memory(name, running, int(spec.max_memory))

    def _watch_memory(self, name: str, running: Running, limit: int) -> None:
        def look() -> None:
            pids = [running.pid, *procfs.children(running.pid)]
            used = sum(usage.rss for usage in procfs.usage(pids).values())
            if used > limit:
                text = f"uses {format_size(used)}, above max_memory of {format_size(limit)}"
                self._fault(name, running, Cause.MEMORY, text)

        running.until_end.append(self._reactor.call_every(_MEMORY_EVERY, look))

    def _fault(self, name: str, running: Running, cause: Cause, detail: str) -> None:
        if self.running.get(name) is running:
            self._cancel(running.until_end)
            self._policy.feed(ev.Fault(name, cause, detail))

    def _cancel(self, checks: list[Cancellable]) -> None:
        for check in checks:
            check.cancel()
        checks.clear()

    def _cwd(self, spec: ProcessSpec) -> str:
        return os.path.join(self._around.directory, spec.cwd)

    # -- ending -------------------------------------------------------------------------------------------

    def terminate(self, name: str) -> None:
        """The stop signal, to the main process: what it does with its own children is its business."""
        if (running := self.running.get(name)) is not None:
            self._cancel(running.until_ready)
            self._cancel(running.until_end)
            number = getattr(signal, f"SIG{running.spec.stop_signal}")
            self._children.signal(running.pid, number)

    def kill(self, name: str) -> None:
        """SIGKILL for the process and all that descends from it."""
        running = self.running.get(name)
        if running is None:
            if (sweep := self._sweeps.get(name)) is not None:
                sweep.kill()
            return
        self._cancel(running.until_ready)
        self._cancel(running.until_end)
        if self._children.may_have_strays():
            family = procfs.descendants_of(name, running.pid, os.getpid())
        else:  # then all of it is below its main process; all of /proc, for each of many, would take seconds
            family = procfs.children(running.pid)
        self._children.signal(running.pid, signal.SIGKILL)
        for pid in family:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _ended(self, name: str, running: Running, how: Exit) -> None:
        """The main process is gone; whatever it left behind is swept before anything else happens to it."""
        if (notify := self._notify.get(name)) is not None:
            notify.drain()  # Race: its last words, unread yet, would be taken for its successor's
        self._cancel(running.until_ready)
        self._cancel(running.until_end)
        if self.running.get(name) is running:
            del self.running[name]
        self._names.pop(running.pid, None)
        instance = self._policy.instance(name)
        stopped = instance is not None and instance.cause in _STOPS and not self._policy.stopping
        clean = not self._leaves_something(name, running.pid, thorough=stopped)
        self._policy.feed(ev.Exited(name, running.pid, how, clean, random.random()))

    def _leaves_something(self, name: str, pid: int, *, thorough: bool) -> bool:
        if _group_lives(pid):
            self._children.reap()  # members that are dead and not yet reaped
            if _group_lives(pid):
                return True
        if self._policy.stopping and len(self._children) > _FEW:
            return False
        if not self._children.may_have_strays():
            return False
        if thorough:
            return bool(procfs.descendants_of(name, None, os.getpid(), group=pid))
        ours = procfs.children(os.getpid(), recursive=False)
        return any(child not in self._children and procfs.marker(child) == name for child in ours)

    def sweep(self, name: str, group: int, *, number: int, grace: float) -> None:
        """Ends what is left of an instance; the policy is told Swept when nothing is."""

        def gone() -> None:
            self._sweeps.pop(name, None)
            self._policy.feed(ev.Swept(name))

        def find() -> list[int]:
            return procfs.descendants_of(name, None, os.getpid(), group=group)

        # Race: a sweep that finds nothing calls `gone` before its constructor returns.
        sweep = Sweep(self._reactor, find, number, min(grace, _SWEEP_GRACE), gone)
        instance = self._policy.instance(name)
        if sweep.waiting_for() and instance is not None:
            self._sweeps[name] = sweep

    def sweep_strays(self, on_gone: Callable[[], None]) -> None:
        """Kills every descendant of ours that is no watched child: the last act of a node."""
        me = os.getpid()

        def find() -> list[int]:
            self._children.reap()
            living = (procfs.stat(pid) for pid in procfs.children(me))
            return [each.pid for each in living if each is not None and each.state not in "ZX"]

        Sweep(self._reactor, find, signal.SIGKILL, 0.0, on_gone)

    def signal(self, name: str, number: int) -> bool:
        """Sends a signal to an instance's main process; False: it is not running."""
        running = self.running.get(name)
        return running is not None and self._children.signal(running.pid, number)

    def waiting_for(self, name: str) -> str:
        """Whom the stop of an instance waits for, in words."""
        if (running := self.running.get(name)) is not None:
            return f"{name} (pid {running.pid})"
        if (sweep := self._sweeps.get(name)) is not None:
            pids = sweep.waiting_for()
            return f"{name}: {len(pids)} left behind ({', '.join(map(str, pids[:5]))})"
        return name

    def ended(self, name: str) -> None:
        """Nothing of the instance runs: its record goes."""
        self._store.remove(name)

    def forget(self, name: str) -> None:
        """The instance is no more."""
        self._launches.pop(name, None)
        self._store.remove(name)
        if (notify := self._notify.pop(name, None)) is not None:
            notify.close()
        if self._outputs.pop(name, None) is not None:
            self._output.close(name)

    def close(self) -> None:
        """Frees what is held for all instances."""
        for notify in self._notify.values():
            notify.close()
        self._notify.clear()


def _spawn_failed(name: str, error: OSError | ValueError | LimpetError) -> ev.SpawnFailed:
    """What the policy is told of a process that could not be made."""
    cause = error.__cause__ if isinstance(error, LimpetError) else error
    short = isinstance(cause, OSError) and cause.errno in SHORTAGES
    why = error.strerror if isinstance(error, OSError) else None
    return ev.SpawnFailed(name, why or str(error), random.random(), shortage=short)


def _for_checks(environ: dict[str, str]) -> dict[str, str]:
    """What a check's command finds: its process's environment, and nothing that would let it pass for it."""
    own = ("LIMPET_AGENT", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_FDNAMES")
    return {name: value for name, value in environ.items() if name not in own}


def _by_its_user(spec: ProcessSpec, check: Check) -> Check:
    """The check, its command run by the user that the process runs as: never with rights that it has not."""
    if check.kind != "exec" or not (spec.user or spec.group):
        return check
    return replace(check, command=(*spawn.as_user(spec.user, spec.group, {}), *check.command))


def _group_lives(group: int) -> bool:
    """Whether any process is in that group, zombies included."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
