"""The open files and sockets of another process: /proc/PID/fd and /proc/PID/net (proc(5)).

The tables of sockets are those of its network namespace, and may be long: they are read up to a bound.
"""

import os
import socket
import struct
from typing import Final, NamedTuple

from limpet_supervisor.model.figures import Connection, OpenFile

MOST: Final = 2000
"""Descriptors listed of one process."""
_TABLE: Final = 4 * 1024 * 1024
"""Bytes read of one table of sockets."""
_STATES: Final = {
    1: "established",
    2: "syn-sent",
    3: "syn-received",
    4: "fin-wait-1",
    5: "fin-wait-2",
    6: "time-wait",
    7: "closed",
    8: "close-wait",
    9: "last-ack",
    10: "listening",
    11: "closing",
}
_UNIX_STATES: Final = {1: "unconnected", 2: "connecting", 3: "connected", 4: "disconnecting"}
_LISTENS: Final = 0x10000
"""__SO_ACCEPTCON, in the flags of /proc/net/unix."""


class Open(NamedTuple):
    """What a process holds open."""

    files: tuple[OpenFile, ...]
    """Sockets are not among them."""
    connections: tuple[Connection, ...]
    notes: tuple[str, ...]
    """What could not be seen, and why; what was left out."""


def look(pid: int) -> Open:
    """The open files and sockets of a process."""
    try:
        numbers = sorted(map(int, os.listdir(f"/proc/{pid}/fd")))
    except FileNotFoundError:
        return Open((), (), ("the process is gone",))
    except OSError as error:
        return Open((), (), (f"its descriptors cannot be seen: {error.strerror}",))
    notes = [f"{len(numbers) - MOST:,} more descriptors are left out"] if len(numbers) > MOST else []
    files: list[OpenFile] = []
    inodes: dict[int, int] = {}
    for fd in numbers[:MOST]:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:  # closed since
            continue
        if target.startswith("socket:["):
            inodes[int(target[8:-1])] = fd
        else:
            files.append(OpenFile(fd, _kind(pid, fd, target), target))
    connections = _sockets(pid, inodes, notes)
    return Open(tuple(files), tuple(sorted(connections, key=lambda each: each.fd)), tuple(notes))


def _kind(pid: int, fd: int, target: str) -> str:
    if target.endswith(" (deleted)"):
        return "deleted"
    if target.startswith("pipe:"):
        return "pipe"
    if not target.startswith("/"):
        return "anonymous"
    if target.startswith("/dev/"):
        return "device"
    return "directory" if os.path.isdir(f"/proc/{pid}/fd/{fd}") else "file"


def _sockets(pid: int, inodes: dict[int, int], notes: list[str]) -> list[Connection]:
    """The sockets with these inodes, of each table in turn until all are found."""
    found: list[Connection] = []
    left = dict(inodes)
    for protocol in ("unix", "tcp", "tcp6", "udp", "udp6"):
        if not left:
            break
        text, cut = _table(pid, protocol)
        if cut:
            notes.append(f"the table of {protocol} sockets is long: not all of it was read")
        read = _unix if protocol == "unix" else _inet
        for line in text.splitlines()[1:]:
            fields = line.split()
            inode = _inode(fields, protocol)
            if inode is not None and (fd := left.pop(inode, None)) is not None:
                found.append(read(fd, protocol, fields))
    found += [Connection(fd, "socket", f"inode {inode}") for inode, fd in left.items()]
    return found


def _table(pid: int, protocol: str) -> tuple[str, bool]:
    try:
        with open(f"/proc/{pid}/net/{protocol}", "rb") as file:
            data = file.read(_TABLE)
    except OSError:
        return "", False
    cut = len(data) == _TABLE
    return (data[: data.rfind(b"\n")] if cut else data).decode("utf-8", "replace"), cut


def _inode(fields: list[str], protocol: str) -> int | None:
    place = 6 if protocol == "unix" else 9
    return int(fields[place]) if len(fields) > place and fields[place].isdigit() else None


def _unix(fd: int, protocol: str, fields: list[str]) -> Connection:
    path = " ".join(fields[7:])
    listens = int(fields[3], 16) & _LISTENS
    state = "listening" if listens else _UNIX_STATES.get(int(fields[5], 16), fields[5])
    return Connection(fd, protocol, path, "", state)


def _inet(fd: int, protocol: str, fields: list[str]) -> Connection:
    state = _STATES.get(int(fields[3], 16), fields[3])
    if protocol.startswith("udp"):
        state = "connected" if state == "established" else ""
    unsent, queued = (int(part, 16) for part in fields[4].split(":"))
    remote = _address(fields[2])
    far = "" if remote.endswith(":0") else remote
    return Connection(fd, protocol, _address(fields[1]), far, state, queued, unsent)


def _address(text: str) -> str:
    """`127.0.0.1:80` of `0100007F:0050`: each word of 4 bytes is in the machine's own order."""
    packed, _, port = text.partition(":")
    words = [int(packed[k : k + 8], 16) for k in range(0, len(packed), 8)]
    data = struct.pack(f"={len(words)}I", *words)
    if len(data) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, data)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, data)}]:{int(port, 16)}"
