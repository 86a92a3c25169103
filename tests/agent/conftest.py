"""A daemon's end of the agent socket for each Python that Limpet serves."""

from collections.abc import Iterator

import pytest

from support.agent import MINORS, Child, Daemon, Peer, daemon, interpreter


@pytest.fixture(params=MINORS, ids=lambda minor: f"3.{minor}")
def node(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no CPython 3.{request.param} here")
    with daemon(python) as made:
        yield made


IDLE = "import sys\nprint('up', flush=True)\nsys.stdin.readline()\nprint('bye', flush=True)\n"


@pytest.fixture
def idle(node: Daemon) -> tuple[Child, Peer]:
    """A process that prints `up`, waits for a line and prints `bye`; stage 1 is loaded in it."""
    child = node.code(IDLE)
    peer = node.accept().load()
    assert child.hear() == "up"
    return child, peer


LOOP = """
import asyncio, sys, threading
beats = []
async def beat():
    while True:
        beats.append(1)
        await asyncio.sleep(0.001)
async def main():
    heart = asyncio.create_task(beat(), name="heart")
    print("up", flush=True)
    loop = asyncio.get_running_loop()
    while (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        target = len(beats) + 3
        while len(beats) < target:
            await asyncio.sleep(0.001)
        print("beating", flush=True)
    assert not heart.done(), heart
    heart.cancel()
    print("bye", flush=True)
asyncio.run(main())
"""


@pytest.fixture
def looping(node: Daemon) -> tuple[Child, Peer]:
    """The same on an asyncio loop; a line that is not empty is answered by `beating`, after three heartbeats.

    Its task `heart` appends to `__main__.beats`; an exception that strays into it ends the process with 1.
    """
    child = node.code(LOOP)
    peer = node.accept().load()
    assert child.hear() == "up"
    return child, peer
