"""Looks at descriptors and sockets: what the kernel knows of them."""

import os
import sys
from collections.abc import Iterator
from typing import Any, Final

from limpet import agent as stage0

from .view import View

_STATES: Final = (
    "",
    "established",
    "syn sent",
    "syn received",
    "fin wait 1",
    "fin wait 2",
    "time wait",
    "closed",
    "close wait",
    "last ack",
    "listening",
    "closing",
    "syn received",
)
"""By the numbers of include/net/tcp_states.h."""
_UNIX_TYPES: Final = {"0001": "stream", "0002": "datagram", "0005": "seqpacket"}
_LISTENS: Final = 0x10000
"""__SO_ACCEPTCON, in the flags of /proc/net/unix."""
_AT_ONCE: Final = 65536
_ORDER: Final = sys.byteorder
_MODES: Final = {os.O_RDONLY: "r", os.O_WRONLY: "w", os.O_RDWR: "rw"}


def fds() -> View:
    """Open descriptors: kind, what is behind each, how it is open, where in the file it stands."""
    targets = _targets()
    known = {row["fd"]: row for row in _sockets(targets)} if _inodes(targets) else {}
    ours = _ours()
    rows = []
    for fd, target in targets.items():
        kind, what = _kind(target)
        position, mode = _position(fd)
        if fd in known:
            found = known[fd]
            kind = found["kind"]
            what = " -> ".join(end for end in (found["local"], found["remote"]) if end)
            position = None
        if fd == ours:
            what = "limpet agent"
        rows.append({
            "fd": fd,
            "kind": kind,
            "mode": mode,
            "position": position if kind == "file" else None,
            "what": what,
        })  # fmt: skip
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return View("fds", rows, notes=[f"{len(rows):,} of {soft:,}, {100 * len(rows) / soft:.1f}%"])


def sockets() -> View:
    """Sockets: kind, ends, state, bytes that wait to be read and sent (to a listener: connections)."""
    rows = _sockets(_targets())
    ours = _ours()
    for row in rows:
        if row["fd"] == ours:
            row["remote"] = row["remote"] or "limpet agent"
    return View("sockets", rows, units={"inode": "id"}, empty="no sockets")


def _ours() -> int:
    """The agent's own descriptor; -1 if there is none."""
    agent = stage0.agent
    connection = agent.connection if agent is not None else None
    return -1 if connection is None else connection._socket.fileno()  # noqa: SLF001 - stage 0 has no public way


def _targets() -> dict[int, str]:
    """Descriptor to what its link in /proc says, without the one that reads this."""
    found = {}
    with os.scandir("/proc/self/fd") as entries:
        numbers = sorted(int(entry.name) for entry in entries)
    for number in numbers:
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:  # closed meanwhile; the directory's own is always
            continue
    return found


def _inodes(targets: dict[int, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for fd, target in targets.items():
        if target.startswith("socket:["):
            found.setdefault(target[8:-1], []).append(fd)
    return found


def _kind(target: str) -> tuple[str, str]:
    """`file`, `pipe`, `socket`, `epoll`, … and what is behind it."""
    if target.startswith("anon_inode:"):
        return target.removeprefix("anon_inode:").strip("[]"), ""
    kind, bracket, rest = target.partition(":[")
    if bracket and not target.startswith("/"):
        return kind, rest.rstrip("]")
    if target.startswith("/memfd:"):
        return "memfd", target.removeprefix("/memfd:")
    return ("device" if target.startswith("/dev/") else "file"), target


def _position(fd: int) -> tuple[int | None, str]:
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii", errors="replace") as lines:
            facts = dict(line.split(":", 1) for line in lines if ":" in line)
        return int(facts["pos"]), _MODES.get(int(facts["flags"], 8) & os.O_ACCMODE, "")
    except (OSError, KeyError, ValueError):
        return None, ""


def _sockets(targets: dict[int, str]) -> list[dict[str, Any]]:
    inodes = _inodes(targets)
    rows = []
    for inode, facts in _kernel(inodes):
        rows += [{"fd": fd, **facts, "inode": int(inode)} for fd in inodes.pop(inode)]
    for inode, numbers in inodes.items():  # netlink, packet; of another network namespace
        rows += [
            {
                "fd": fd,
                "kind": "socket",
                "local": "",
                "remote": "",
                "state": "",
                "unread": None,
                "unsent": None,
                "inode": int(inode),
            }
            for fd in numbers
        ]
    return sorted(rows, key=lambda row: row["fd"])


def _kernel(inodes: dict[str, list[int]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(inode, facts) of those sockets, from the tables of the network namespace: proc_net(5)."""
    for kind in ("unix", "tcp", "tcp6", "udp", "udp6"):
        left = set(inodes)
        if not left:
            return
        for line in _table(kind):
            words = line.split()
            inode = words[6 if kind == "unix" else 9]
            if inode in left:
                left.discard(inode)
                yield inode, _unix(words) if kind == "unix" else _internet(kind, words)


def _table(kind: str) -> Iterator[str]:
    """The table's lines, never all at once: there is one for each connection of the last minute."""
    try:
        with open(f"/proc/self/net/{kind}", "rb", buffering=_AT_ONCE) as file:
            next(file, b"")
            for line in file:
                yield line.decode("utf-8", "replace").rstrip("\n")
    except OSError:  # there is none, as of IPv6; or this user may not
        return


def _unix(words: list[str]) -> dict[str, Any]:
    listens = int(words[3], 16) & _LISTENS
    return {
        "kind": f"unix {_UNIX_TYPES.get(words[4], words[4])}",
        "local": words[7] if len(words) > 7 else "",
        "remote": "",
        "state": "listening" if listens else "established" if words[5] == "03" else "",
        "unread": None,
        "unsent": None,
    }


def _internet(kind: str, words: list[str]) -> dict[str, Any]:
    unsent, unread = (int(size, 16) for size in words[4].split(":"))
    state = int(words[3], 16)
    remote = _address(words[2])
    return {
        "kind": kind.rstrip("6"),
        "local": _address(words[1]),
        "remote": "" if remote.endswith(":0") else remote,
        "state": (_STATES[state] if state < len(_STATES) else str(state)) if "tcp" in kind else "",
        "unread": unread,
        "unsent": unsent,
    }


def _address(text: str) -> str:
    """`127.0.0.1:4000` for `0100007F:0FA0`: words of four bytes in the machine's order, and the port."""
    host, _, port = text.partition(":")
    # The C module, which the agent itself uses: `socket` may be gevent's.
    from _socket import AF_INET, AF_INET6, inet_ntop

    packed = b"".join(int(host[k : k + 8], 16).to_bytes(4, _ORDER) for k in range(0, len(host), 8))
    if len(packed) == 4:
        return f"{inet_ntop(AF_INET, packed)}:{int(port, 16)}"
    return f"[{inet_ntop(AF_INET6, packed)}]:{int(port, 16)}"
