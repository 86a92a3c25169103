"""The console in front of a node of its own: start_iex.

The node is a child process in a process group of its own, so that Ctrl-C is the console's; its output is
shown above the prompt. Leaving the console stops the node; the end of the node ends the console.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from limpet_shell import output
from limpet_shell.target import Target
from limpet_supervisor import lean
from limpet_supervisor.client.aio import AsyncClient
from limpet_supervisor.errors import LimpetError

from .terminal import Console

_TRY_EVERY: Final = 0.05


class OwnNode:
    """The node that the console has started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.show: Callable[[str], None] = output.write
        """How its output is shown."""
        self.reading = asyncio.ensure_future(self._read())

    @classmethod
    async def start(cls, where: Target, *, colored: bool) -> "OwnNode":
        """Starts it."""
        arguments = ["start", "--for-console", "--color", "always" if colored else "never"]
        if where.file:
            arguments += ["--file", where.file]
        if where.release:
            arguments += ["--release", where.release]
        process = await asyncio.create_subprocess_exec(
            *lean.own_command("limpet_shell"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
        return cls(process)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def _read(self) -> None:
        """Shows its output, whole lines at a time, until it has ended."""
        assert self._process.stdout is not None
        rest = b""
        while data := await self._process.stdout.read(65536):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if newline:
                lines = [output.printable_line(line) for line in whole.decode(errors="replace").split("\n")]
                self.show("\n".join(lines))

    async def answers(self, node: str) -> bool:
        """Waits until the node answers; False if it ends first."""
        while self.alive:
            with suppress(LimpetError):
                client = await AsyncClient.of_node(node)
                await client.close()
                return True
            await asyncio.wait([self.reading], timeout=_TRY_EVERY)
            if self.reading.done():
                await self._process.wait()
        return False

    def interrupt(self) -> None:
        """Stops it; the second time, kills what is left of it."""
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)

    async def stop(self) -> int:
        """Stops it in order and waits; its output goes on being shown. Returns its exit code."""
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        await self.reading
        return await self._process.wait()


async def _run(where: Target, process: str) -> int:
    colored = output.painter() is output.paint
    node = await OwnNode.start(where, colored=colored)
    console = Console(where)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, node.interrupt)
    try:
        if await node.answers(where.node):
            node.show = lambda text: console.screen.lines([text])
            node.reading.add_done_callback(lambda _: console.leave())
            await console.run(process)
    finally:
        node.show = output.write
        died = not node.alive
        # A second Ctrl-C kills what is left.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, node.interrupt)
        code = await node.stop()
    if died:
        how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        output.write_error(f"limpet: {where.node} ended by itself, {how}; its last lines are above")
    return code if code >= 0 else 128 - code


def run_with_node(where: Target, process: str) -> int:
    """Starts the node, and the console in front of it; returns the node's exit code.

    Raises:
        LimpetError: the console could not be attached.
    """
    return asyncio.run(_run(where, process))
