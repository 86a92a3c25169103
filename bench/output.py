"""Throughput of captured output, beside `cat` and a bare read/write loop, in one run.

    .venv/bin/python bench/output.py [--rounds 3] [--only raw]

A writer in C (numbered 100-byte lines; one write(2) a line, or 64 KiB a write) writes into a pipe; measured
from its start until its last byte is in a file on tmpfs. CPU is that of the reader: cat's, or our process's.
With `--control`, instead, what a flood costs control: the latency of the loop, quiet and flooded.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "supervisor"))

from limpet_supervisor.model.spec import Log
from limpet_supervisor.model.units import Size
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor

WRITER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    long lines = atol(argv[1]), block = atol(argv[2]), used = 0;
    static char buffer[1 << 20];
    for (long i = 0; i < lines; i++) {
        memset(buffer + used, 'x', 100);
        int n = sprintf(buffer + used, "%010ld ", i);
        buffer[used + n] = 'y';
        buffer[used + 99] = '\n';
        used += 100;
        if (used + 100 > block || i == lines - 1) {
            for (long done = 0; done < used;) {
                long n = write(1, buffer + done, used - done);
                if (n < 0) return 1;
                done += n;
            }
            used = 0;
        }
    }
    return 0;
}
"""


def build(directory):
    source = directory / "writer.c"
    source.write_text(WRITER)
    subprocess.run(["cc", "-O2", "-o", directory / "writer", source], check=True)
    return str(directory / "writer")


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cat(writer, directory, lines, block):
    """Seconds, and CPU seconds of cat."""
    with open(directory / "cat.log", "wb") as file:
        start = time.monotonic()
        first = subprocess.Popen([writer, str(lines), str(block)], stdout=subprocess.PIPE)
        second = subprocess.Popen(["cat"], stdin=first.stdout, stdout=file)
        first.stdout.close()
        first.wait()
        before = children_cpu()
        second.wait()
        cpu = children_cpu() - before
        took = time.monotonic() - start
    os.unlink(directory / "cat.log")
    return took, cpu


def bare(writer, directory, lines, block):
    """The shortest loop in Python: 128 KiB reads, writes, no rotation."""
    read, write = os.pipe()
    target = os.open(directory / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    start, cpu = time.monotonic(), time.process_time()
    process = subprocess.Popen([writer, str(lines), str(block)], stdout=write)
    os.close(write)
    while data := os.read(read, 131072):
        os.write(target, data)
    took, cpu = time.monotonic() - start, time.process_time() - cpu
    process.wait()
    os.close(read)
    os.close(target)
    os.unlink(directory / "bare.log")
    return took, cpu


def ours(form, *, follow=False):
    def measure(writer, directory, lines, block):
        reactor = Reactor()
        output = Output(reactor, str(directory), str(directory / "log"))
        path = output.open("web.1", Log(format=form, max_bytes=Size(64 * 1024**2), backups=2))
        follower = output.follow(["web.1"], lambda _name, _lines: None) if follow else None
        done = []

        def ended(_events):
            reactor.remove(pidfd)
            output.settled("web.1", done.append)

        start, cpu = time.monotonic(), time.process_time()
        fifo = os.open(path, os.O_RDWR)
        process = subprocess.Popen([writer, str(lines), str(block)], stdout=fifo)
        os.close(fifo)
        pidfd = os.pidfd_open(process.pid)
        reactor.add(pidfd, ended)
        while not done:
            reactor.turn()
        took, cpu = time.monotonic() - start, time.process_time() - cpu
        process.wait()
        assert output.counters("web.1").bytes == lines * 100
        if follower:
            follower.cancel()
        output.shutdown()
        reactor.close()
        os.close(pidfd)
        shutil.rmtree(directory / "log")
        return took, cpu

    return measure


def control(writer, directory, flooded):
    """Microseconds from another thread's call to the loop's callback, p50 and p99 of 3,000."""
    reactor = Reactor()
    output = Output(reactor, str(directory), str(directory / "log"))
    path = output.open("web.1", Log(format=flooded or "raw", max_bytes=Size(64 * 1024**2), backups=2))
    process = None
    if flooded:
        fifo = os.open(path, os.O_RDWR)
        process = subprocess.Popen([writer, "2000000000", "100"], stdout=fifo)
        os.close(fifo)
    read, write = os.pipe()
    found = []
    at = [0.0]

    def woken(_events):
        os.read(read, 1)
        found.append(time.perf_counter() - at[0])
        if len(found) < 3000:
            again.set()
        else:
            reactor.stop()

    again = threading.Event()

    def ask():
        for _ in range(3000):
            again.wait()
            again.clear()
            time.sleep(0.001)
            at[0] = time.perf_counter()
            os.write(write, b"x")

    reactor.add(read, woken)
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    again.set()
    reactor.run()
    if process:
        process.kill()
        process.wait()
    output.shutdown()
    reactor.close()
    shutil.rmtree(directory / "log", ignore_errors=True)
    found.sort()
    return found[len(found) // 2] * 1e6, found[int(len(found) * 0.99)] * 1e6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--control", action="store_true")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        writer = build(directory)
        if arguments.control:
            for form in ("", "raw", "json"):
                p50, p99 = control(writer, directory, form)
                what = f"flooded, {form}" if form else "quiet"
                print(f"loop latency, {what}: p50 {p50:.0f} us, p99 {p99:.0f} us")
            return
        candidates = {
            "cat": cat,
            "bare python": bare,
            "limpet raw": ours("raw"),
            "limpet prefix": ours("prefix"),
            "limpet json": ours("json"),
            "limpet raw, followed": ours("raw", follow=True),
        }
        candidates = {
            name: each for name, each in candidates.items() if arguments.only in name or name == "cat"
        }
        for title, lines, block in (("line", 3_000_000, 100), ("64 KiB", 10_000_000, 65536)):
            megabytes = lines * 100 / 1e6
            results = {name: [] for name in candidates}
            for _ in range(arguments.rounds):
                for name, measure in candidates.items():
                    results[name].append(measure(writer, directory, lines, block))
            base = statistics.median(took for took, _cpu in results["cat"])
            print(f"{title} a write, {megabytes:.0f} MB: MB/s (of cat's), CPU s/GB")
            for name, found in results.items():
                took = statistics.median(took for took, _cpu in found)
                cpu = statistics.median(cpu for _took, cpu in found)
                print(
                    f"  {name:22} {megabytes / took:6.0f}  ({base / took:.2f})  {cpu * 1000 / megabytes:.2f}"
                )
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
