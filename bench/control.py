"""Control round trips: the status of one process, beside a bare ROUTER echo with JSON.

Alone, while ten processes flap and one floods its log, and from 100 clients at once.

    python bench/control.py [calls]
"""

import json
import os
import signal
import sys
import time

import zmq
from floor import beacon, control, node, percentile, row, wait_control, workplace

from limpet_supervisor.wire import codec, messages

STATUS = codec.encode_request(1, messages.Status(names=("p0.1",)))
ECHO = [json.dumps({"op": "status", "name": "p0.1"}).encode()]


def echo(path: str) -> None:
    socket = zmq.Context().socket(zmq.ROUTER)
    socket.bind(f"ipc://{path}")
    while True:
        identity, body = socket.recv_multipart()
        socket.send_multipart([identity, json.dumps(json.loads(body)).encode()])


def calls(path: str, frames: list[bytes], count: int) -> list[float]:
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(f"ipc://{path}")
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        socket.send_multipart(frames)
        socket.recv_multipart()
        taken.append((time.perf_counter() - began) * 1e6)
    socket.close(0)
    return taken[count // 20 :]


def many(path: str, frames: list[bytes], clients: int, seconds: float) -> tuple[float, list[float]]:
    """Calls a second and every call's time, of so many clients in closed loops, each a process."""
    pipes = []
    for _ in range(clients):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(read)
            socket = zmq.Context().socket(zmq.DEALER)
            socket.connect(f"ipc://{path}")
            taken = []
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                began = time.perf_counter()
                socket.send_multipart(frames)
                socket.recv_multipart()
                taken.append((time.perf_counter() - began) * 1e3)
            with os.fdopen(write, "w") as file:
                json.dump(taken, file)
            os._exit(0)
        os.close(write)
        pipes.append(read)
    every: list[float] = []
    for read in pipes:
        with os.fdopen(read) as file:
            every += json.load(file)
        os.wait()
    return len(every) / seconds, every


def show(name: str, taken: list[float]) -> None:
    row(name, percentile(taken, 0.5), percentile(taken, 0.99), max(taken))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    with workplace() as directory:
        server = os.fork()
        if server == 0:
            echo(f"{directory}/echo")
        binary = beacon(directory)
        os.mkfifo(directory / "beacons")
        reader = os.open(directory / "beacons", os.O_RDWR)
        command = f'command = ["{binary}", "{directory}/beacons"]'
        quiet = "".join(f"[processes.p{k}]\n{command}\n" for k in range(10))
        flapping = "".join(
            f'[processes.f{k}]\ncommand = ["sleep", "0.05"]\nbackoff = {{ base = "50ms", factor = 1.0 }}\n'
            for k in range(10)
        )
        flood = '[processes.flood]\ncommand = ["yes", "a line of output of a process that floods its log"]\n'
        row("status of one process, us", "p50", "p99", "max")
        for pinned in (True, False):
            cores = {0} if pinned else {0, 1}
            os.sched_setaffinity(0, cores)
            os.sched_setaffinity(server, cores)
            where = "pinned" if pinned else "free"
            show(f"ROUTER echo with JSON, {where}", calls(f"{directory}/echo", ECHO, count))
            place = directory / where
            os.mkdir(place)
            with node(place, quiet):
                wait_control(place)
                show(f"limpet, {where}", calls(control(place), STATUS, count))
        place = directory / "load"
        os.mkdir(place)
        with node(place, "max_restarts = 1000000\n" + quiet + flapping + flood):
            wait_control(place)
            show("limpet, 10 flap and 1 floods", calls(control(place), STATUS, count))
        row("100 clients, 3 s", "calls/s", "p50 ms", "p99 ms")
        rate, every = many(f"{directory}/echo", ECHO, 100, 3)
        row("ROUTER echo with JSON", rate, percentile(every, 0.5), percentile(every, 0.99))
        place = directory / "many"
        os.mkdir(place)
        with node(place, quiet):
            wait_control(place)
            rate, every = many(control(place), STATUS, 100, 3)
            row("limpet", rate, percentile(every, 0.5), percentile(every, 0.99))
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        os.close(reader)


if __name__ == "__main__":
    main()
