"""The console on a terminal: launch to prompt, Enter to answer, beside a bare prompt_toolkit client.

    .venv/bin/python bench/console.py [rounds]

One launch of each after the other, so that what else the machine does hits both alike. CPU is that of the
main thread until the prompt is there. Byte code is written first, as it is where Limpet is installed.
"""

import compileall
import os
import pty
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from floor import node, percentile, row, wait_control, workplace

LIMPET = os.path.join(os.path.dirname(sys.executable), "limpet")
WORKER = 'command = ["python3", "-c", "import signal; signal.pause()"]'
BARE = """
import socket, sys
from prompt_toolkit import PromptSession
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
p = PromptSession()
while True:
    try: line = p.prompt("bare> ")
    except EOFError: break
    s.sendall(line.encode() + b"\\n"); print(s.recv(4096).decode(), end="")
"""


class Terminal:
    """A command on a pty that answers what a terminal is asked."""

    def __init__(self, command: list[str], **options) -> None:
        self.master, slave = pty.openpty()
        env = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "LINES": "30",
            **options.pop("env", {}),
        }
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True, **options
        )
        os.close(slave)
        self.seen = b""

    def wait_for(self, text: bytes, bound: float = 20.0) -> None:
        end = time.monotonic() + bound
        while text not in self.seen:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(self.seen[-500:])
            data = os.read(self.master, 65536)
            self.seen += data
            if b"\x1b[6n" in data:
                os.write(self.master, b"\x1b[1;1R")

    def type(self, text: bytes) -> None:
        self.seen = b""
        os.write(self.master, text)

    def close(self) -> None:
        os.write(self.master, b"\x04")
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


def launch(command: list[str], prompt: bytes, **options) -> tuple[float, float, list[float]]:
    """Milliseconds to the prompt, the CPU's of them, and those of three answers."""
    began = time.perf_counter()
    terminal = Terminal(command, **options)
    terminal.wait_for(prompt)
    wall = (time.perf_counter() - began) * 1000
    pid = terminal.process.pid
    cpu = int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6
    answers = []
    for k in range(3):
        terminal.type(b"%d+%d" % (40000 + k, 2))
        terminal.wait_for(b"2")
        began = time.perf_counter()
        terminal.type(b"\r")
        terminal.wait_for(b"%d" % (40002 + k))
        answers.append((time.perf_counter() - began) * 1000)
        terminal.wait_for(prompt)
    terminal.close()
    return wall, cpu, answers


def serve(listening: socket.socket) -> None:
    while True:
        connection, _address = listening.accept()
        with connection:
            while line := connection.recv(4096):
                connection.sendall(f"{eval(line)}\n".encode())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for root in ("shell", "supervisor"):
        compileall.compile_dir(Path(__file__).parents[1] / root, quiet=1)
    row("console, ms", "prompt p50", "p99", "CPU p50", "answer p50", "p99")
    with workplace() as directory, node(directory, f"[processes.w]\n{WORKER}\n"):
        wait_control(directory)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(f"{directory}/bare")
        listening.listen()
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        env = {"RELEASE_TMP": str(directory / "run"), "XDG_STATE_HOME": str(directory)}
        subprocess.run([LIMPET, "rpc", "None"], cwd=directory, env={**os.environ, **env}, check=True)
        both = (
            ("bare prompt_toolkit client", [sys.executable, "-c", BARE, f"{directory}/bare"], b"bare>"),
            ("limpet remote", [LIMPET, "remote"], b"]>"),
        )
        found: dict[str, list[tuple[float, float, list[float]]]] = {name: [] for name, _, _ in both}
        for _ in range(rounds):
            for name, command, prompt in both:
                found[name].append(launch(command, prompt, cwd=directory, env=env))
        for name, launches in found.items():
            walls = [wall for wall, _, _ in launches]
            answers = [each for _, _, answers in launches for each in answers]
            cpu = statistics.median(cpu for _, cpu, _ in launches)
            ends = [percentile(values, part) for values in (walls, answers) for part in (0.5, 0.99)]
            row(name, *ends[:2], cpu, *ends[2:])


if __name__ == "__main__":
    main()
