"""Whole commands, from start to exit, beside what their parts cost alone.

python bench/commands.py [rounds]
"""

import os
import subprocess
import sys
import time

from floor import node, percentile, row, wait_control, workplace

LIMPET = [os.path.join(os.path.dirname(sys.executable), "limpet")]
WORKER = 'command = ["python3", "-c", "import signal; signal.pause()"]'


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    commands = {
        "python -I -S -E -c pass": [sys.executable, "-I", "-S", "-E", "-c", "pass"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import zmq'": [sys.executable, "-c", "import zmq"],
        "limpet pid": [*LIMPET, "pid"],
        "limpet status": [*LIMPET, "status"],
        "limpet status --json": [*LIMPET, "status", "--json"],
        "limpet rpc 1+1": [*LIMPET, "rpc", "1+1"],
        "limpet version": [*LIMPET, "version"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    with workplace() as directory, node(directory, f"[processes.w]\n{WORKER}\ninstances = 3\n"):
        wait_control(directory)
        env = {**os.environ, "RELEASE_TMP": str(directory / "run")}
        for _ in range(rounds):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, cwd=directory, env=env, stdout=subprocess.DEVNULL, check=True)
                taken[name].append((time.perf_counter() - began) * 1000)
    floor = percentile(taken["python -c 'import zmq'"], 0.5)
    row("whole commands, ms", "p50", "p99", "x zmq")
    for name, values in taken.items():
        middle = percentile(values, 0.5)
        row(name, middle, percentile(values, 0.99), middle / floor)


if __name__ == "__main__":
    main()
