"""A node in the background: its parent waits until every process is ready, or tells why not.

The child tells its parent by JSON lines on a pipe: any number of {"progress": text}, then {"ready": pid} or
{"failed": [error, what, why, lines]}; the end of the pipe without either means that it died.
"""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from limpet_supervisor import lean
from limpet_supervisor.client import directory
from limpet_supervisor.errors import BootFailed, LimpetError, TimedOut

from .start import Daemon, node_name

_SHOWN_LINES: Final = 10
_STOP_WITHIN: Final = 30.0
_LOG: Final = "limpet.log"
_MAX_LOG: Final = 10 * 1024 * 1024


def detached(file: str, release: str | None, *, timeout: float, progress: Callable[[str], None]) -> int:
    """Starts a node in the background and waits until every process is ready; returns its pid.

    Args:
        file: its configuration.
        release: which of the file's releases; None: the default.
        timeout: seconds to wait (inf: for ever); after them it is stopped again.
        progress: told what is waited for.

    Raises:
        BootFailed: it did not come up; nothing of it is left running.
        TimedOut: not in time; likewise.
        ConfigError: the configuration is wrong.
    """
    from limpet_supervisor.config import load

    name = node_name(load.load(file, release=release))
    run = directory.prepare(name)
    os.makedirs(run.logs, mode=0o700, exist_ok=True)
    log = os.path.join(run.logs, _LOG)
    _keep_short(log)
    tell, told = os.pipe2(os.O_CLOEXEC)
    arguments = [*lean.own_command("limpet_supervisor.daemon"), file, release or "", str(told)]
    with open(log, "ab", opener=_private) as output:
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(told,),
            start_new_session=True,
        )
    os.close(told)
    asked = {
        number: signal.signal(number, _leave)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup says
    }
    try:
        progress(f"{name} starts as pid {child.pid}")
        return _wait(child, tell, log, time.monotonic() + timeout, progress)
    except BaseException:
        _stop(child)
        raise
    finally:
        os.close(tell)
        for number, handler in asked.items():
            signal.signal(number, handler)


def _private(path: str, flags: int) -> int:
    """Opens a log as the processes' logs are: for us and our group."""
    return os.open(path, flags, 0o640)


def _leave(number: int, _frame: object) -> NoReturn:
    """Who started the node gives up (`timeout`, a terminal that closes): it is stopped, as by Ctrl-C."""
    raise SystemExit(128 + number)


def _wait(
    child: "subprocess.Popen[bytes]",
    tell: int,
    log: str,
    deadline: float,
    progress: Callable[[str], None],
) -> int:
    """The pid of a child that has said it is ready; what it says meanwhile goes to `progress`."""
    poll = select.poll()
    poll.register(tell, select.POLLIN)
    said = b""
    message: dict[str, Any] = {}
    while not {"ready", "failed"} & message.keys():
        if "progress" in message:
            progress(message.pop("progress"))
        line, newline, rest = said.partition(b"\n")
        if newline:
            said = rest
            message = json.loads(line)
            continue
        left = deadline - time.monotonic()
        if not poll.poll(None if left == float("inf") else max(0.0, left) * 1000):
            raise TimedOut("The node was not ready in time", "it is stopped again", f"see {log}")
        data = os.read(tell, 65536)
        said += data
        if not data:
            child.wait()
            raise BootFailed(f"The node ended with exit code {child.returncode}", todo=f"see {log}")
    if "ready" in message:
        child.returncode = 0  # it is no longer ours to wait for
        return child.pid
    error, what, why, lines = message["failed"]
    with suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_WITHIN)
    raise _failure(error, what, why, lines, log)


def _failure(error: str, what: str, why: str, lines: list[str], log: str) -> LimpetError:
    from limpet_supervisor.errors import BY_NAME, ConfigError

    kind = BY_NAME.get(error, BootFailed)
    if kind is ConfigError:
        return ConfigError(what, why, problems=tuple(lines))
    shown = "".join(f"\n  | {line}" for line in lines[-_SHOWN_LINES:])
    return kind(what, why, f"see {log}{shown}")


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """Nothing may be left running."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)  # the second signal kills what is left
            with suppress(subprocess.TimeoutExpired):
                child.wait(_STOP_WITHIN)


def _keep_short(path: str) -> None:
    """The node's own log is rotated when a node starts."""
    with suppress(FileNotFoundError):
        if os.stat(path).st_size > _MAX_LOG:
            os.replace(path, f"{path}.1")


class _Parent:
    """Tells the process that waits for this node."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def progress(self, text: str) -> None:
        """What the boot waits for now."""
        if self._pipe >= 0:
            with suppress(OSError):  # the parent may have been killed
                os.write(self._pipe, json.dumps({"progress": text}).encode() + b"\n")

    def ready(self) -> None:
        """Every process is ready."""
        self._tell({"ready": os.getpid()})

    def failed(self, what: str, why: str, lines: tuple[str, ...], error: str = "BootFailed") -> None:
        """The node ended before that."""
        self._tell({"failed": [error, what, why, list(lines)]})

    def _tell(self, message: dict[str, object]) -> None:
        if self._pipe >= 0:
            with suppress(OSError):  # the parent may have been killed
                os.write(self._pipe, json.dumps(message).encode() + b"\n")
            os.close(self._pipe)
            self._pipe = -1


def child_main(file: str, release: str, pipe: int) -> int:
    """The node in the background; returns its exit code."""
    from limpet_supervisor.config import load

    if pipe >= 0:
        os.set_inheritable(pipe, False)
    parent = _Parent(pipe)
    try:
        spec = load.load(file, release=release or None)
        return Daemon(spec, stdout=None, witness=parent, log=_log).run()
    except LimpetError as error:
        from limpet_supervisor.errors import ConfigError

        _log(f"{error}")
        lines = error.problems if isinstance(error, ConfigError) else ()
        parent.failed(
            error.what, ". ".join(filter(None, (error.why, error.todo))), lines, type(error).__name__
        )
        return error.exit_code


def _log(text: str) -> None:
    """A line of limpet.log, which is our standard output; a full disk costs the line and nothing else."""
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n"
    with suppress(OSError):
        os.write(1, line.encode("utf-8", "replace"))
        if os.fstat(1).st_size > _MAX_LOG:
            _begin_log_anew()


def _begin_log_anew() -> None:
    path = os.readlink("/proc/self/fd/1")
    os.replace(path, f"{path}.1")
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
