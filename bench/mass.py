"""Many children: launch of the node -> the last one's first instruction; stop command -> everything gone.

    python bench/mass.py [children …]

Each child is a process of its own in the configuration. Memory is the node's PSS when all run; CPU what it
used in ten idle seconds.
"""

import os
import signal
import sys
import time

from floor import Beacons, beacon, node, pss, row, wait_control, workplace


def bare(argv: list[str], children: int, beacons: Beacons) -> tuple[float, float]:
    """The floor: posix_spawn in a loop; kill all, then wait for all."""
    began = time.monotonic()
    pids = [os.posix_spawn(argv[0], argv, os.environ, setsid=True) for _ in range(children)]
    last = max(beacons.read()[1] for _ in pids)
    stopping = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        os.waitpid(pid, 0)
    return (last - began) * 1000, (time.monotonic() - stopping) * 1000


def ticks(pid: int) -> int:
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0])


def main() -> None:
    counts = [int(count) for count in sys.argv[1:]] or [1, 3, 100, 1000]
    row("children", "started ms", "control ms", "stopped ms", "PSS MiB", "idle ms")
    with workplace() as directory:
        binary = beacon(directory)
        for children in counts:
            place = directory / str(children)
            os.mkdir(place)
            beacons = Beacons(place)
            started, stopped = bare([binary, beacons.path], children, beacons)
            row(f"{children} bare posix_spawn", started, "-", stopped, "-", "-")
            command = f'command = ["{binary}", "{beacons.path}"]'
            toml = "".join(f"[processes.p{k}]\n{command}\n" for k in range(children))
            began = time.monotonic()
            with node(place, toml) as process:
                last = max(beacons.read()[1] for _ in range(children))
                wait_control(place)
                answers = time.monotonic()
                time.sleep(1)
                before = ticks(process.pid)
                time.sleep(10)
                used = (ticks(process.pid) - before) / 1e6
                memory = pss(process.pid)
                stopping = time.monotonic()
                process.send_signal(signal.SIGTERM)
                process.wait()
                row(
                    f"{children} limpet",
                    (last - began) * 1000,
                    (answers - began) * 1000,
                    (time.monotonic() - stopping) * 1000,
                    memory,
                    used,
                )


if __name__ == "__main__":
    main()
