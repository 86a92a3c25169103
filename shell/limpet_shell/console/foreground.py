"""The console in front of a node of its own: start_iex.

The node is a child process in a process group of its own, so that Ctrl-C is the console's; its output is
shown above the prompt. Leaving the console stops the node; the end of the node ends the console.
"""

import asyncio
import os
import signal
import subprocess
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
    """The node that the console has started.

    asyncio's own subprocesses are not used: their send_signal may collect the exit code that they wait for
    (python/cpython#87744).
    """

    def __init__(self, where: Target, *, colored: bool) -> None:
        arguments = ["start", "--for-console", "--color", "always" if colored else "never"]
        if where.file:
            arguments += ["--file", where.file]
        if where.release:
            arguments += ["--release", where.release]
        self._process = subprocess.Popen(
            [*lean.own_command("limpet_shell"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._pidfd = os.pidfd_open(self._process.pid)
        self.show: Callable[[str], None] = output.write
        """How its output is shown."""
        self.ended = asyncio.ensure_future(self._run())
        """Done, with its exit code, when it has ended and all its output is shown."""

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = loop.create_future()

        def ended() -> None:
            loop.remove_reader(self._pidfd)
            gone.set_result(None)

        loop.add_reader(self._pidfd, ended)
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            rest = b""
            while data := await reader.read(65536):
                whole, newline, rest = (rest + data).rpartition(b"\n")
                if newline:
                    lines = [
                        output.printable_line(line) for line in whole.decode(errors="replace").split("\n")
                    ]
                    self.show("\n".join(lines))
            await gone
        finally:
            transport.close()
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        return self._process.wait()

    async def answers(self, node: str) -> bool:
        """Waits until the node answers; False if it ends first."""
        while not self.ended.done():
            with suppress(LimpetError):
                client = await AsyncClient.of_node(node)
                await client.close()
                return True
            await asyncio.wait([self.ended], timeout=_TRY_EVERY)
        return False

    def interrupt(self) -> None:
        """Stops it; the second time, kills what is left of it."""
        self._send(signal.SIGINT)

    async def stop(self) -> int:
        """Stops it in order and waits; its output goes on being shown. Returns its exit code."""
        self._send(signal.SIGTERM)
        return await self.ended

    def _send(self, number: signal.Signals) -> None:
        if not self.ended.done():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


async def _run(where: Target, process: str) -> int:
    colored = output.painter() is output.paint
    node = OwnNode(where, colored=colored)
    console = Console(where)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, node.interrupt)
    try:
        if await node.answers(where.node):
            node.show = lambda text: console.screen.lines([text])
            node.ended.add_done_callback(lambda _: console.leave())
            await console.run(process)
    finally:
        node.show = output.write
        died = node.ended.done()
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
