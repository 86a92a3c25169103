"""A console that is left open costs nothing: neither itself, nor the node, nor the application."""

import subprocess
import time
from pathlib import Path

from support.node import BOUND, PYTHON, running
from support.terminal import Terminal

APP = """
import asyncio
def price(n):
    return n
async def main():
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
TOML = """
[processes.web]
command = ["python3", "app.py"]
ready = { log = "up" }
"""
WINDOW = "1.2"
"""Seconds in which nothing may wake up."""


def waits(*pids: int) -> dict[str, str]:
    """How often each thread of these processes has waited for something so far."""
    return {
        str(task): (task / "status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0]
        for pid in pids
        for task in Path(f"/proc/{pid}/task").iterdir()
    }


def test_a_console_that_is_left_open_wakes_nobody_up() -> None:
    """Without the status bar, which asks for a minute after the last key, and then sleeps as well."""
    with running(TOML, files={"app.py": APP}) as node:
        settings = node.directory / "home" / "limpet"
        settings.mkdir(parents=True)
        (settings / "console.toml").write_text("status_bar = false\n")
        environ = {**node.environ, "XDG_CONFIG_HOME": str(settings.parent)}
        command = [PYTHON, "-m", "limpet_shell", "remote"]
        with Terminal(command, environ, cwd=str(node.directory)) as terminal:
            terminal.wait_for("web.1 [1]>")
            for number, source in enumerate(("tasks()", "trace('__main__:price', 1, 0.1)", "6 * 7"), 2):
                terminal.send(f"{source}\r")
                terminal.wait_for(f"web.1 [{number}]>")
            web = node.status()["web.1"].pid
            assert web is not None
            pids = (node.pid, web, terminal.process.pid)
            end = time.monotonic() + BOUND
            before: dict[str, str] = {}
            while (now := waits(*pids)) != before:  # what it has begun may still end
                assert time.monotonic() < end, (before, now)
                before = now
                subprocess.run(["sleep", WINDOW], check=True)
