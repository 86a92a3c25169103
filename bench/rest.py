"""What a console costs that is left open: wake-ups of the node, the application's threads and the console.

    .venv/bin/python bench/rest.py [SECONDS]

Counted by the kernel (voluntary switches of each thread, time on a processor) over a window in which nobody
types: with no console, with one that has evaluated before, a minute later, and with an observer.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from console import LIMPET, Terminal
from floor import node, wait_control, workplace

SERVER = """
import asyncio
async def main():
    server = await asyncio.start_unix_server(lambda reader, writer: None, "rest.sock")
    await server.serve_forever()
asyncio.run(main())
"""


def counts(pid: int) -> dict[int, tuple[int, float]]:
    """Of each thread: how often it has waited so far, milliseconds on a processor."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        switches = int((task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        found[int(task.name)] = (switches, int((task / "schedstat").read_text().split()[0]) / 1e6)
    return found


def window(seconds: float, pids: dict[str, int]) -> None:
    """Prints what each thread has done meanwhile."""
    before = {name: counts(pid) for name, pid in pids.items()}
    time.sleep(seconds)
    for name, pid in pids.items():
        for thread, (switches, cpu) in counts(pid).items():
            began, spent = before[name].get(thread, (0, 0.0))
            which = "main" if thread == pid else "other"
            print(f"    {name:12} {which:6} {switches - began:5} wake-ups  {cpu - spent:8.2f} ms")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    with workplace() as directory:
        (directory / "server.py").write_text(SERVER)
        with node(directory, '[processes.web]\ncommand = ["python3", "server.py"]\n') as started:
            wait_control(directory)
            env = {"RELEASE_TMP": str(directory / "run"), "XDG_STATE_HOME": str(directory)}
            asks = [LIMPET, "rpc", "__import__('os').getpid()"]
            web = int(subprocess.check_output(asks, cwd=directory, env={**os.environ, **env}))
            pids = {"node": started.pid, "application": web}
            print(f"{seconds:g} s each\n  nobody")
            window(seconds, pids)
            terminal = Terminal([LIMPET, "remote"], cwd=directory, env=env)
            terminal.wait_for(b"]>")
            for line, answer in ((b"6 * 7\r", b"42"), (b"len(tasks())\r", b"\n"), (b"6 * 8\r", b"48")):
                terminal.type(line)
                terminal.wait_for(answer)
            terminal.wait_for(b"[4]>")
            time.sleep(3)
            print("  a console at its prompt")
            window(seconds, {**pids, "console": terminal.process.pid})
            time.sleep(max(0.0, 61 - seconds))
            print("  a console at its prompt, a minute after the last key")
            window(seconds, {**pids, "console": terminal.process.pid})
            terminal.close()
            terminal = Terminal([LIMPET, "observer"], cwd=directory, env=env)
            terminal.wait_for(b"Procs")
            time.sleep(3)
            print("  an observer")
            window(seconds, {**pids, "observer": terminal.process.pid})
            terminal.type(b"q")
            terminal.close()


if __name__ == "__main__":
    main()
