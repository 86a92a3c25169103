"""One attempt of a probe, a class for each kind: tcp, http, exec. On the loop, never blocking.

Invariant: each answers exactly once, by its deadline, and never before its constructor has returned; after
`cancel` it does not answer at all. Its sockets, descriptors and processes are gone with its answer.
"""

import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from limpet_supervisor import __version__
from limpet_supervisor.model.status import Exit
from limpet_supervisor.runtime.addresses import (
    Address,
    candidates,
    parse_url,
    resolve,
)
from limpet_supervisor.runtime.children import Children
from limpet_supervisor.runtime.limits import SHORTAGES
from limpet_supervisor.runtime.reactor import READ, WRITE, Reactor, Timer

Callback = Callable[[bool | None, str], None]
"""Whether the probe passed (None: it could not be made, for a shortage of ours), and what was seen."""

_HEAD_BYTES: Final = 8192
_BODY_BYTES: Final = 1024 * 1024
_OUTPUT_BYTES: Final = 2048


class Attempt:
    """What all kinds share: one answer, a deadline, a state that is cleaned up exactly once."""

    def __init__(self, reactor: Reactor, timeout: float, callback: Callback) -> None:
        self._reactor = reactor
        self._callback: Callback | None = callback
        self._timeout = timeout
        self._timer: Timer = reactor.call_later(timeout, self._expired)

    def cancel(self) -> None:
        """Ends it; the callback will not be called."""
        self._callback = None
        self._finish()

    def _answer(self, passed: bool | None, detail: str) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(passed, detail)

    def _expired(self) -> None:
        self._finish()
        self._answer(passed=False, detail=f"no answer within {self._timeout:g}s")

    def _finish(self) -> None:
        self._timer.cancel()


class Refused(Attempt):
    """An attempt that cannot be made; it says so in the next turn, as any other would."""

    def __init__(self, reactor: Reactor, timeout: float, callback: Callback, why: str) -> None:
        super().__init__(reactor, timeout, callback)
        self._why = why
        reactor.call_soon(self._refuse)

    def _refuse(self) -> None:
        self._finish()
        self._answer(passed=False, detail=self._why)


class Connect(Attempt):
    """tcp: passes when the address accepts. Several addresses of one name are tried in turn."""

    def __init__(self, reactor: Reactor, timeout: float, callback: Callback, address: Address) -> None:
        super().__init__(reactor, timeout, callback)
        self._socket: socket.socket | None = None
        self._waiting: list[Address] = []
        self._why = "no address"
        self._short = False
        if (found := candidates(address)) is not None:
            reactor.call_soon(lambda: self._resolved(found, ""))
        else:
            try:
                resolve(reactor, address, self._resolved)
            except RuntimeError as error:  # no more threads
                self._short = True
                why = str(error)
                reactor.call_soon(lambda: self._resolved([], why))

    def _resolved(self, addresses: list[Address], why: str) -> None:
        if self._callback is not None:
            self._waiting = addresses
            self._why = why or self._why
            self._try_next()

    def _try_next(self) -> None:
        while self._waiting:
            address = self._waiting.pop(0)
            try:
                connecting = socket.socket(
                    address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                )
            except OSError as error:
                self._why = error.strerror or str(error)
                self._short = error.errno in SHORTAGES
                continue
            self._socket = connecting
            try:
                connecting.connect(address.target)
            except BlockingIOError as error:
                # TCP: under way. A Unix socket says so when its backlog is full, and then nothing follows.
                if address.family != socket.AF_UNIX:
                    self._reactor.add(connecting.fileno(), self._connecting, WRITE)
                    return
                self._failed(error.strerror)
                continue
            except OSError as error:
                self._failed(error.strerror or str(error))
                continue
            self._connected(connecting)
            return
        self._finish()
        self._answer(passed=None if self._short else False, detail=self._why)

    def _failed(self, why: str | None) -> None:
        self._why = why or self._why
        self._drop_socket()

    def _connecting(self, _events: int) -> None:
        connecting = self._socket
        if connecting is None:
            return
        self._reactor.remove(connecting.fileno())
        if code := connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._failed(os.strerror(code))
            self._try_next()
        else:
            self._connected(connecting)

    def _connected(self, _connected: socket.socket) -> None:
        self._finish()
        self._answer(passed=True, detail="accepts connections")

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._reactor.remove(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _finish(self) -> None:
        super()._finish()
        self._drop_socket()


class Http(Connect):
    """http: passes when the answer's status is 200 to 399; a redirection is an answer, not followed.

    The answer is judged by its status line, but read to its end (bounded): an application whose client hangs
    up while it answers would log an error of our making.
    """

    def __init__(self, reactor: Reactor, timeout: float, callback: Callback, url: str) -> None:
        address, host, path = parse_url(url)
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: limpet/{__version__}\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n"
        ).encode()
        self._head = b""
        self._read = 0
        super().__init__(reactor, timeout, callback, address)

    def _connected(self, connected: socket.socket) -> None:
        try:
            sent = connected.send(self._request)
        except OSError as error:
            self._refuse(error.strerror or str(error))
            return
        if sent < len(self._request):  # a fresh socket's buffer holds more than any sensible URL
            self._refuse("the request does not fit")
            return
        self._reactor.add(connected.fileno(), self._readable, READ)

    def _refuse(self, why: str) -> None:
        self._finish()
        self._answer(passed=False, detail=why)

    def _readable(self, _events: int) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self._refuse(error.strerror or str(error))
            return
        self._read += len(data)
        if self._callback is not None:
            self._head += data
            line, newline, _rest = self._head.partition(b"\n")
            if newline or len(self._head) > _HEAD_BYTES:
                self._answer(*judge_status_line(line))
            elif not data:
                self._refuse("closed the connection without an answer")
        if not data or self._read > _BODY_BYTES:
            self._finish()


def judge_status_line(line: bytes) -> tuple[bool, str]:
    """Whether a response that begins with `line` passes (200 to 399), and the line as a person reads it."""
    version, _space, rest = line.strip().partition(b" ")
    status = rest[:3]
    shown = line[:200].strip().decode("latin-1")
    if not version.startswith(b"HTTP/1.") or not status.isdigit() or rest[3:4] not in (b"", b" "):
        return False, f"not an HTTP answer: {shown!r}"
    return 200 <= int(status) <= 399, f"answered {rest.strip()[:200].decode('latin-1')}"


class Exec(Attempt):
    """exec: passes when the command exits 0; at its deadline it is killed with its process group."""

    def __init__(
        self,
        reactor: Reactor,
        timeout: float,
        callback: Callback,
        command: Sequence[str],
        *,
        children: Children,
        environ: Mapping[str, str] | None,
        cwd: str | None,
    ) -> None:
        import subprocess

        super().__init__(reactor, timeout, callback)
        self._said = b""
        self._children = children
        self._pid: int | None = None
        self._output = write = -1
        try:
            self._output, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            os.set_blocking(write, True)
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env=environ,
                cwd=cwd,
                process_group=0,
            )
        except OSError as error:
            self._finish()
            why = f"{command[0]}: {error.strerror or error}"
            passed = None if error.errno in SHORTAGES else False
            reactor.call_soon(lambda: self._answer(passed, why))
            return
        finally:
            if write >= 0:
                os.close(write)
        process.returncode = 0  # to subprocess it is over: Children waits for it
        self._pid = process.pid
        reactor.add(self._output, self._readable)
        children.watch(process.pid, self._ended)

    def _readable(self, _events: int) -> None:
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return
        if data:
            self._said = (self._said + data)[-_OUTPUT_BYTES:]
        else:
            self._reactor.remove(self._output)

    def _ended(self, how: Exit) -> None:
        if self._pid is None:
            return  # killed at its deadline, or cancelled
        self._pid = None
        self._readable(READ)
        said = self._said.decode("utf-8", "replace").strip().splitlines()
        self._finish()
        self._answer(passed=how.code == 0, detail=": ".join([str(how), *said[-1:]]))

    def _finish(self) -> None:
        super()._finish()
        if self._output >= 0:
            self._reactor.remove(self._output)
            os.close(self._output)
            self._output = -1
        pid, self._pid = self._pid, None
        if pid is not None and pid in self._children:
            # Guarantee: the pid is ours until it is reaped, so its group is no one else's.
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
