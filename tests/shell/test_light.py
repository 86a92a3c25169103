"""Clients start often: what they must not import, because they do not use it."""

import subprocess
import sys

import pytest

from support.command import Shop, open_shop

HEAVY = {
    "prompt_toolkit",
    "pygments",
    "asyncio",
    "psutil",
    "zmq",
    "socket",
    "subprocess",
    "inspect",
}


def imported(place: Shop, *words: str) -> set[str]:
    """The top-level packages that `limpet WORDS` imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "limpet_shell", *words],
        capture_output=True,
        text=True,
        check=False,
        env=place.environ,
    )
    assert done.returncode in {0, 69}, done.stderr[-2000:]
    lines = (line.rsplit("|", 1) for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {name[1].strip().split(".")[0] for name in lines}


@pytest.mark.parametrize(
    "words", [["status"], ["pid"], ["rpc", "1 + 1"], ["health"], ["ctl", "restart", "web"]]
)
def test_a_client_imports_nothing_heavy(words: list[str]) -> None:
    with open_shop() as (place, _):
        found = imported(place, *words) & HEAVY
    assert found == set()


@pytest.mark.parametrize("verb", ["version", "pid", "help"])
def test_what_asks_no_node_imports_no_codec(verb: str) -> None:
    with open_shop() as (place, _):
        found = imported(place, verb)
    assert "limpet_shell" in found
    assert not found & {*HEAVY, "msgspec", "tomllib"}
