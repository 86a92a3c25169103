"""Crash to replacement: SIGKILL of a child -> the first instruction of its successor, beside the bare loop.

python bench/respawn.py [rounds]
"""

import os
import select
import signal
import sys
import time

from floor import Beacons, beacon, node, percentile, row, wait_control, workplace


class Bare:
    """The floor: one child, pidfd and posix_spawn, nothing else."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.epoll = select.epoll()

    def serve(self) -> None:
        def spawn() -> int:
            return os.posix_spawn(self.argv[0], self.argv, os.environ, setsid=True)

        pid = spawn()
        fd = os.pidfd_open(pid)
        self.epoll.register(fd, select.EPOLLIN)
        while True:
            self.epoll.poll()
            os.waitid(os.P_PIDFD, fd, os.WEXITED)
            pid = spawn()
            self.epoll.unregister(fd)
            os.close(fd)
            fd = os.pidfd_open(pid)
            self.epoll.register(fd, select.EPOLLIN)


def measure(beacons: Beacons, rounds: int, settle: float) -> tuple[list[float], list[float], int]:
    settled, again = [], []
    pid, _at = beacons.read()
    for _ in range(rounds):
        time.sleep(settle)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pid, at = beacons.read()
        settled.append((at - killed) * 1000)
        time.sleep(0.002)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pid, at = beacons.read()
        again.append((at - killed) * 1000)
    return settled, again, pid


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    row("kill -> first instruction, ms", "p50", "p99", "again p50", "p99")
    with workplace() as directory:
        binary = beacon(directory)
        for turn in ("first", "second"):
            os.mkdir(directory / turn)
            beacons = Beacons(directory / turn)
            child = os.fork()
            if child == 0:
                Bare([binary, beacons.path]).serve()
            *results, last = measure(beacons, rounds, 1.6)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.kill(last, signal.SIGKILL)
            report("bare pidfd + posix_spawn", results)
            place = directory / turn / "node"
            os.mkdir(place)
            beacons = Beacons(place)
            with node(
                place, f'max_restarts = 1000\n[processes.a]\ncommand = ["{binary}", "{beacons.path}"]\n'
            ):
                wait_control(place)
                *results, _last = measure(beacons, rounds, 1.6)
                report("limpet", results)


def report(name: str, results: list[list[float]]) -> None:
    row(name, *(percentile(values, part) for values in results for part in (0.5, 0.99)))


if __name__ == "__main__":
    main()
