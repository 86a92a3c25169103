"""Stage 0: what every supervised Python process carries, and every process that it forks or spawns.

It costs the application about a millisecond and a fraction of a megabyte, and must never harm it:

- Only C modules are imported, so that `threading`, `socket`, `logging` are not loaded before the application
  loads (or gevent patches) them. The functions kept here are the interpreter's own for ever after.
- One raw thread, all signals blocked in it: a `sigwait` in the application still gets its signal.
- The daemon is dialled, synchronously, at start and in the child of a fork: before any setuid. The thread
  only listens, and dials again if the connection is lost. Without a daemon the application runs as if alone.
- The socket has a high number and is known by its inode: an application that closes descriptors wholesale,
  and gets the same number for a file of its own, loses nothing to us.
- Nothing is raised into the application and nothing printed; what went wrong is in `agent.failure`.
- It is one file: a second one would add 7 % to what the agent costs every start (bench/agent.py).
- Stuck in C, the process shows its stacks all the same (`Stacks`): by a signal to the agent's thread alone.

Everything else, stage 1, is sent by the daemon over the connection, compiled if it runs on the same Python,
else as source (wire format: `limpet_supervisor.wire.agent`, bound by tests/contract). Stage 1 gets a
`Connection` and may import
`MAX_FRAME`, `agent`, `allocate_lock`, `get_ident`, `monotonic`, `sleep` and `start_new_thread` from here.
"""

import posix
import sys
from _thread import RLock, allocate_lock, get_ident, start_new_thread
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence
    from typing import Any

    Module = tuple[str, str | bytes, Sequence[str], Sequence[str]]

__all__ = [
    "Connection",
    "agent",
    "allocate_lock",
    "get_ident",
    "monotonic",
    "sleep",
    "start",
    "start_new_thread",
    "want",
]

PROTOCOL = 1
IDLE = 45.0
"""Seconds between two looks at whether the socket is still ours, when nothing else happens."""
FIRST_DELAY = 0.05
LAST_DELAY = 5.0
"""Seconds before a lost daemon is dialled again: doubled from the first to the last."""
ARM_AFTER = 0.05
"""Seconds from the connection to the arming of `Stacks`: off the application's way to its start."""
LOW_DESCRIPTOR = 900
"""The socket gets the first free number from here: above what applications count on, below FD_SETSIZE."""
MAX_FRAME = 16 * 1024 * 1024
MAX_ARGUMENTS = 4000
"""Characters of the command line that are told to the daemon."""
STAGE1 = "_limpet_stage1"

_BODY = b'{"id":0,"item":"want"}'
_WANT = len(_BODY).to_bytes(4, "big") + _BODY
_BODY = b'{"id":0,"item":"source"}'
_SOURCE = len(_BODY).to_bytes(4, "big") + _BODY
_NO_STAGE1 = "a request before stage 1"
_MSG_PEEK = 0x2
_MSG_NOSIGNAL = 0x4000


class Connection:
    """A stream to the daemon; every access makes sure that the descriptor is still the one we opened."""

    def __init__(self, made: "socket") -> None:
        made.setblocking(False)
        self._socket = made
        self._patient = type(made)(fileno=made.fileno())
        """The same descriptor again, for calls that wait."""
        self._patience = -1.0
        self._inode = posix.fstat(made.fileno()).st_ino
        self._buffer = bytearray()
        self.open = True

    def connect(self, path: str) -> None:
        """Connects to the daemon's socket.

        Raises:
            OSError: it is not there, or too busy to be waited for.
        """
        self._socket.connect(path)

    def ours(self) -> bool:
        """Whether the descriptor is still open and our socket."""
        if not self.open:
            return False
        try:
            return posix.fstat(self._socket.fileno()).st_ino == self._inode
        except OSError:
            return False

    def write(self, data: "bytes | memoryview", patience: float = 0.0) -> int:
        """Sends what the kernel takes of `data` within `patience` seconds.

        Returns:
            Bytes taken; 0 if the daemon is too slow.

        Raises:
            OSError: the connection is lost.
        """
        if not self.ours():
            raise BrokenPipeError
        try:
            # MSG_NOSIGNAL: an application may have given SIGPIPE its deadly default back.
            if not patience:
                return self._socket.send(data, _MSG_NOSIGNAL)
            same = type(self._socket)(fileno=self._socket.fileno())
            try:
                same.settimeout(patience)
                return same.send(data, _MSG_NOSIGNAL)
            finally:
                same.detach()
        except (BlockingIOError, TimeoutError):
            return 0

    def wait(self, seconds: float) -> bool:
        """Waits for data, or the end, for so long; False if the descriptor is not ours any more."""
        if not self.ours():
            return False
        if seconds != self._patience:
            self._patience = seconds
            self._patient.settimeout(max(seconds, 0.001))
        try:
            # Only a look: should the number have become the application's meanwhile, it loses nothing.
            self._patient.recv(1, _MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return self.ours()
        return self.ours()

    def read(self) -> "list[bytes] | None":
        """The bodies of the frames that have arrived whole; None at the end of the stream.

        Raises:
            OSError: the connection is lost.
        """
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return []
        if not data:
            return None
        buffer = self._buffer
        buffer += data
        bodies = []
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "big")
            if size > MAX_FRAME:
                return None
            if len(buffer) < 4 + size:
                break
            bodies.append(bytes(buffer[4 : 4 + size]))
            del buffer[: 4 + size]
        return bodies

    def close(self) -> None:
        """Closes the socket, or lets its number go if that belongs to someone else by now."""
        ours = self.ours()
        self.open = False
        self._patient.detach()
        if ours:
            self._socket.close()
        else:
            self._socket.detach()


class Stacks:
    """The stacks of all threads, by SIGRTMAX-2 to the agent's thread: `faulthandler` writes them to a file.

    It does so in C and without the GIL, and no thread of the application's is disturbed. The file is one in
    memory, named limpet-stacks; its first line, `PID TID`, is written when all is ready. By both the daemon
    knows that what the handler writes to is still this file: an application that closes descriptors
    wholesale, and gets the same number for a file of its own, loses nothing to us.
    """

    def __init__(self) -> None:
        self._file = -1
        self._inode = 0
        self._ready = False

    def open(self, blocked: "set[int]") -> None:
        """Makes the file, unless the signal is blocked: then the application may wait for it by sigwait.

        Race: none, as long as there is one thread. Later, a number taken and given back, if only for a
        moment, could be the one that an application has closed to open another file under it.
        """
        import _signal  # type: ignore[import-not-found]

        self.close()  # in the child of a fork: its parent's
        if _signal.SIGRTMAX - 2 in blocked:
            return
        try:
            low = posix.memfd_create("limpet-stacks", posix.MFD_CLOEXEC)
            try:
                self._file = _high(low)
            except OSError:
                self._file = -1
            posix.close(low)
        except OSError:
            return
        self._ready = False
        self._inode = posix.fstat(self._file).st_ino if self._file >= 0 else 0

    def look(self) -> None:
        """In the agent's thread: gets ready, or gives way to an application that has taken the signal."""
        import _signal

        if self._file < 0:
            return
        number = _signal.SIGRTMAX - 2
        kept = _is_open(self._file) and posix.fstat(self._file).st_ino == self._inode
        if not kept or _signal.getsignal(number) != _signal.SIG_DFL:
            self.close()
        elif not self._ready:
            from _imp import create_builtin, exec_builtin
            from _thread import get_native_id

            # Not by `import`: should the application fork meanwhile, its child would inherit import's locks.
            namespace: Any = type(sys.implementation)
            faulthandler: Any = create_builtin(namespace(name="faulthandler"))
            exec_builtin(faulthandler)
            faulthandler.register(number, file=self._file, all_threads=True, chain=False)
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (number,))
            posix.write(self._file, f"{posix.getpid()} {get_native_id()}\n".encode())
            self._ready = True

    def close(self) -> None:
        """From here on the daemon sends no such signal: who has no file wants none."""
        file, self._file = self._file, -1
        if file >= 0 and _is_open(file) and posix.fstat(file).st_ino == self._inode:
            posix.close(file)


class _ForkWarning:
    """Message matcher of a warnings filter: fork's complaint about threads, when the only other one is ours.

    Python 3.12 and later warn of a fork in a multi-threaded process. An idle agent holds no lock, so the
    warning would blame the application for what is harmless; with threads of its own it is still told.
    """

    def match(self, text: str, _position: int = 0) -> bool:
        """Whether to ignore the warning `text`."""
        if not text.startswith("This process (pid="):
            return False
        try:
            with open("/proc/self/stat", "rb") as stat:
                threads = int(stat.read().rsplit(b")", 1)[1].split()[17])
        except OSError:
            return False
        return threads <= 2


def _hide_fork_warning() -> None:
    import _warnings

    state: Any = _warnings
    locked = hasattr(state, "_filters_mutated_lock_held")  # 3.14
    if locked:
        state._acquire_lock()  # noqa: SLF001 - there is no public way, and `warnings` itself is not loaded yet
    try:
        state.filters.insert(0, ("ignore", _ForkWarning(), DeprecationWarning, None, 0))
        getattr(state, "_filters_mutated_lock_held" if locked else "_filters_mutated")()
    finally:
        if locked:
            state._release_lock()  # noqa: SLF001 - same reason


def _is_main_interpreter() -> bool:
    import _thread

    if hasattr(_thread, "_is_main_interpreter"):  # 3.12
        return bool(_thread._is_main_interpreter())  # noqa: SLF001 - nothing public says it without a file to load
    import _signal

    try:
        descriptor = _signal.set_wakeup_fd(-1)
    except ValueError:  # what it raises in any other interpreter
        return False
    if descriptor != -1:
        _signal.set_wakeup_fd(descriptor)
    return True


def _raised(made: "socket", *, alone: bool) -> "socket":
    """The socket under a high number, where the process's limit of descriptors reaches up there."""
    low = made.fileno()
    try:
        if alone:
            high = _high(low)
        else:
            from fcntl import F_DUPFD_CLOEXEC, fcntl

            high = fcntl(low, F_DUPFD_CLOEXEC, LOW_DESCRIPTOR)
    except OSError:
        return made
    made.close()
    return type(made)(fileno=high)


def _high(low: int) -> int:
    """The same under a high number. Race: none, with one thread. `fcntl` would come from the disk.

    Raises:
        OSError: the process's limit of descriptors does not reach up there.
    """
    high = LOW_DESCRIPTOR
    while _is_open(high):
        high += 1
    return posix.dup2(low, high, inheritable=False)


def _is_open(descriptor: int) -> bool:
    try:
        posix.fstat(descriptor)
    except OSError:
        return False
    return True


def _quoted(text: str) -> str:
    """`text` as a JSON string."""
    if text.isprintable() and '"' not in text and "\\" not in text:  # as most are: a tenth of the time
        return f'"{text}"'
    return '"' + "".join(c if c >= " " and c not in '"\\' else f"\\u{ord(c):04x}" for c in text) + '"'


class Agent:
    """The process's agent."""

    def __init__(self, path: str, process: str) -> None:
        from _socket import AF_UNIX, SOCK_STREAM, socket

        self._kind: tuple[type[socket], int, int] = (socket, AF_UNIX, SOCK_STREAM)
        self.path = path
        self.process = process
        self.forked_from = 0
        self.main = get_ident()
        """Ident of the main thread."""
        self.connection: Connection | None = None
        self.stage1: Any = None
        self.failure: BaseException | None = None
        self._stacks = Stacks()
        self._thread = 0
        """Ident of its own thread."""
        self._wanted = False
        self._held: list[bytes] | None = None
        """Requests that wait for the source of a stage 1 that was compiled for another interpreter."""
        self._refusal = _NO_STAGE1
        """What a request is told that nothing can answer."""
        self._lock = RLock()
        """Held while stage 1 takes the connection over, and while `want` writes beside it.

        It knows its owner: an evaluation that is interrupted in `want` gives it back.
        """

    def want(self) -> None:
        """Asks the daemon for what stage 1 serves: the application has something for it.

        Each connection asks again, that of a fork's child as well.
        """
        self._wanted = True
        with self._lock:
            if self.stage1 is not None:
                self.stage1.want()
            elif self.connection is not None:
                try:
                    self.connection.write(_WANT)
                except OSError:  # lost: the next one asks
                    return

    def start(self) -> None:
        """Dials the daemon and starts the thread that listens."""
        import _signal

        self.connection = self._dial(alone=True)
        # Before the thread begins, which inherits the mask: from its first moment on no signal that the
        # application waits for by `sigwait` is delivered to it.
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        self._stacks.open(before)
        try:
            start_new_thread(self._run, ())
        except RuntimeError as failure:  # no more threads: then no agent either
            self.failure = failure
            self._drop()
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)

    def after_fork(self) -> None:
        """In the child of a fork: forgets everything that was the parent's, and dials for itself."""
        try:
            ours = {self._thread, *getattr(sys.modules.get(f"{STAGE1}.threads"), "ours", ())}
            _forget_imports(ours - {get_ident()})
            self._stop_stage1(forked=True)
            if self.connection is not None:
                self.connection.close()
            self.forked_from = posix.getppid()
            self.main = get_ident()
            self._lock = RLock()
            self.start()
        except Exception as failure:  # noqa: BLE001 - raised, it would be printed
            self.failure = failure

    def _hello(self) -> bytes:
        arguments = []
        left = MAX_ARGUMENTS
        for argument in sys.orig_argv:
            if left <= 0:
                break
            arguments.append(_quoted(argument[:left]))
            left -= len(argument) + 1
        helper = not self.forked_from and any(
            f"multiprocessing.{name} import main" in argument
            for name in ("resource_tracker", "forkserver")
            for argument in sys.orig_argv
        )
        body = (
            f'{{"hello":{PROTOCOL},"pid":{posix.getpid()},"ppid":{posix.getppid()},'
            f'"process":{_quoted(self.process)},"python":"{sys.version.split()[0]}",'
            f'"argv":[{",".join(arguments)}],"forked_from":{self.forked_from},'
            f'"role":"{"helper" if helper else "process"}"}}'
        ).encode("utf-8", "replace")
        return len(body).to_bytes(4, "big") + body

    def _dial(self, *, alone: bool) -> Connection | None:
        """A connection that has said hello; None if the daemon cannot be reached just now.

        Args:
            alone: this is the only thread yet.
        """
        try:
            kind, family, type_ = self._kind
            made = kind(family, type_)
        except OSError:
            return None
        connection = Connection(_raised(made, alone=alone))
        try:
            connection.connect(self.path)
            connection.write(self._hello() + _WANT if self._wanted else self._hello())
        except OSError:
            connection.close()
            return None
        return connection

    def _run(self) -> None:
        self._thread = get_ident()
        try:
            delay = FIRST_DELAY
            while True:
                if self.connection is not None:
                    since = monotonic()
                    try:
                        self._serve(self.connection)
                    except Exception as failure:  # noqa: BLE001 - the next connection starts anew
                        self.failure = failure
                    self._drop()
                    if monotonic() - since > 1.0:
                        delay = FIRST_DELAY
                sleep(delay)
                delay = min(2 * delay, LAST_DELAY)
                # Race: a `want` meanwhile comes with the hello, or after it. It waits for nothing that waits.
                with self._lock:
                    self.connection = self._dial(alone=False)
        except Exception as failure:  # noqa: BLE001 - raised, it would be printed
            self.failure = failure

    def _serve(self, connection: Connection) -> None:
        """Listens until the connection is lost."""
        seconds = ARM_AFTER
        while True:
            if self.stage1 is not None:
                seconds = min(seconds, self.stage1.tick())
            if not connection.wait(seconds):
                return
            self._look()
            seconds = IDLE
            bodies = connection.read()
            if bodies is None:
                return
            for body in bodies:
                if self.stage1 is not None:
                    self.stage1.handle(body)
                else:
                    self._first(connection, body)

    def _look(self) -> None:
        try:
            self._stacks.look()
        except Exception as failure:  # noqa: BLE001 - raised, it would cost the connection
            self.failure = failure
            self._stacks.close()

    def _first(self, connection: Connection, body: bytes) -> None:
        """The stage 1 bundle; or a request that came without one."""
        try:
            import json
            from _frozen_importlib_external import MAGIC_NUMBER
        except Exception as failure:  # noqa: BLE001 - in a chroot, say, there is no standard library
            self.failure = failure
            _refuse(connection, body, f"stage 1 does not load: {type(failure).__name__}: {failure}")
            return
        head, _, code = body.partition(b"\0")
        frame = json.loads(head)
        error = self._refusal
        if "stage1" not in frame:
            if self._held is not None:
                self._held.append(body)
                return
        elif code and frame["stage1"] != MAGIC_NUMBER.hex():
            self._held = []
            connection.write(_SOURCE)
            return
        else:
            held, self._held = self._held or [], None
            try:
                stage1 = _load_stage1(_unmarshalled(code) if code else frame["stage1"])
                with self._lock:
                    stage1.start(connection)
                    self.stage1 = stage1
            except Exception as failure:  # noqa: BLE001 - told to the daemon
                self.failure = failure
                error = self._refusal = f"stage 1 does not load: {type(failure).__name__}: {failure}"
                for each in held:
                    self._first(connection, each)
            else:
                for each in held:
                    stage1.handle(each)
                return
        answer = json.dumps({"id": frame.get("id", 0), "re": "error", "error": error}).encode()
        connection.write(len(answer).to_bytes(4, "big") + answer)

    def _drop(self) -> None:
        self._held = None
        self._refusal = _NO_STAGE1
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self._stop_stage1(forked=False)

    def _stop_stage1(self, *, forked: bool) -> None:
        stage1, self.stage1 = self.stage1, None
        try:
            if stage1 is not None:
                stage1.stop(forked=forked)
        except Exception as failure:  # noqa: BLE001 - it clears away among the application's objects
            self.failure = failure
        _forget_stage1()


def _refuse(connection: Connection, body: bytes, error: str) -> None:
    """Answers a request where nothing can be imported that reads or writes JSON: its id comes first."""
    number = body[6:].partition(b",")[0] if body[:6] == b'{"id":' else b""
    plain = "".join(each if " " <= each <= "~" and each not in '"\\' else "?" for each in error)
    answer = b'{"id": %d, "re": "error", "error": "%s"}' % (
        int(number) if number.isdigit() else 0,
        plain.encode(),
    )
    connection.write(len(answer).to_bytes(4, "big") + answer)


def _unmarshalled(code: bytes) -> "list[Module]":
    import marshal

    modules: list[Module] = marshal.loads(code)  # noqa: S302 - from the daemon, as source is
    return modules


def _load_stage1(modules: "Sequence[Module]") -> "Any":
    """The last module, executed with all that it needs; `load` of the package executes the others by name.

    A module is its name, its source (or code), the names of those that it imports at its top, and of those
    that its functions import. They import each other relatively.
    """
    module_type = type(sys)
    package: Any = module_type(STAGE1)
    package.__path__ = []
    sys.modules[STAGE1] = package
    waiting = {module[0]: module for module in modules}
    lock = allocate_lock()

    def load(name: str) -> "Any":
        with lock:
            return execute(name)

    def execute(name: str) -> "Any":
        if name not in waiting:
            return sys.modules[f"{STAGE1}.{name}"]
        whole = waiting.pop(name)
        _name, text, needs, uses = whole
        module = module_type(f"{STAGE1}.{name}")
        module.__package__ = STAGE1
        try:
            for need in needs:
                execute(need)
            sys.modules[module.__name__] = module
            setattr(package, name, module)
            if type(text) is bytes:
                import marshal

                code = marshal.loads(text)  # noqa: S302 - from the daemon, as source is
            else:
                code = compile(text, f"<limpet {name}>", "exec", dont_inherit=True)
            exec(code, module.__dict__)  # noqa: S102
        except BaseException:
            waiting[name] = whole
            sys.modules.pop(module.__name__, None)
            raise
        for use in uses:
            execute(use)
        return module

    package.load = load
    return load(modules[-1][0])


def _forget_stage1() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == STAGE1]:
        del sys.modules[name]


def _forget_imports(threads: "set[int]") -> None:
    """In the child of a fork: what these threads of its parent were importing just then.

    Whoever imports it would wait for them, for ever; it is imported anew.
    """
    locks = getattr(sys.modules["_frozen_importlib"], "_module_locks", {})
    for name, reference in list(locks.items()):
        if getattr(reference(), "owner", None) not in threads:
            continue
        del locks[name]
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            for each in [each for each in sys.modules if f"{each}.".startswith(f"{name}.")]:
                del sys.modules[each]


agent: Agent | None = None
"""The process's agent; None where it is off."""


def start() -> None:
    """Starts the process's agent, if LIMPET_AGENT names the daemon's socket. A second call does nothing.

    Called by `limpet.inject.sitecustomize`, or by a `.pth` or `.start` file (PEP 829) of a release.
    """
    global agent  # noqa: PLW0603 - there is one agent in a process
    path = posix.environ.get(b"LIMPET_AGENT")
    if not path or agent is not None or not _is_main_interpreter():
        return
    agent = Agent(
        path.decode(errors="surrogateescape"),
        posix.environ.get(b"LIMPET_PROCESS", b"").decode(errors="replace"),
    )
    if sys.version_info >= (3, 12):
        _hide_fork_warning()
    posix.register_at_fork(after_in_child=agent.after_fork)
    agent.start()


def want() -> None:
    """Asks the daemon for what stage 1 serves (health, metrics); without an agent nothing happens."""
    if agent is not None:
        agent.want()
