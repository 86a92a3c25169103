"""The sessions of docs/observability.md, each with a real bookshop that has the fault it looks for."""

import re
import sys
import time
from pathlib import Path

import pytest

from support.bookshop import Bookshop, bookshop, requires_bookshop
from support.documents import Command, assert_examples, commands, pattern
from support.terminal import Terminal

pytestmark = requires_bookshop

DOCUMENT = Path(__file__).parents[2] / "docs/observability.md"
BOUND = 60
FAULTS = {
    "similar": """
import time
import bookshop.shop
from sqlalchemy import text

def similarity(title):
    time.sleep(1)
    return 1.0

def books(session, found=bookshop.shop.books):
    session.connection().connection.driver_connection.create_function("similarity", 1, similarity)
    session.execute(text("SELECT isbn FROM books WHERE similarity(title) > 0.5")).all()
    return found(session)

bookshop.shop.books = books
""",
    "visits": """
import bookshop.shop

class Visit:
    def __init__(self, found):
        self.found = found

seen = []

def books(session, found=bookshop.shop.books):
    visited = found(session)
    seen.extend(Visit(visited) for _ in range(1000))
    return visited

bookshop.shop.books = books
""",
    "signing": """
import time
import bookshop.web

def receipt(request, number):
    time.sleep(600)

bookshop.web.receipt = receipt
""",
}
FAULTS = {"": "", **FAULTS}
HEADINGS = {
    "": "## As on the BEAM",
    "similar": "## A query is slow",
    "visits": "## Memory grows",
    "signing": "## The loop is blocked",
}


def session(heading: str) -> list[Command]:
    """The commands below a heading."""
    lines = DOCUMENT.read_text().splitlines()
    begin = lines.index(heading) + 1
    end = next((n for n, line in enumerate(lines[begin:], begin) if line.startswith("## ")), len(lines))
    return [command for command in commands(DOCUMENT) if begin < command.line <= end]


def run(shop: Bookshop, command: Command) -> None:
    """Runs it until it prints what the document says: a fault takes its time to show."""
    line = command.command.replace("localhost:4000", f"localhost:{shop.port}")
    line = line.replace("localhost:9464", f"localhost:{shop.health}")
    expected = pattern(command.output)
    deadline = time.monotonic() + BOUND
    while not expected.fullmatch(printed := shop.run(line).stdout):
        assert time.monotonic() < deadline, f"{line}\n{printed}"


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_found_as_the_document_says(fault: str) -> None:
    with bookshop() as shop:
        (shop.directory / "faults").mkdir()
        (shop.directory / "faults" / f"{fault}.py").write_text(FAULTS[fault].lstrip())
        shop.environ |= {
            "LIMPET_ENV": "prod",
            "DATABASE_URL": "sqlite:///var/bookshop.db",
            "SECRET_KEY_BASE": "of the test",
        }
        inject = f'import sys; sys.path.insert(0, "faults"); import {fault}' if fault else "1"
        started = shop.run(
            f"limpet daemon && limpet ctl scale web 1 && limpet rpc --process web.1 '{inject}'"
        )
        assert started.returncode == 0, started.stdout
        found = session(HEADINGS[fault])
        assert found
        for command in found:
            run(shop, command)
        if fault == "visits":
            see_in_the_observer(shop)


def see_in_the_observer(shop: Bookshop) -> None:
    """What the document shows of it: the types, the visits at their top."""
    (shown,) = re.findall(r"^```text\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    looks, header, top, _next = shown.splitlines()
    command = [sys.executable, "-m", "limpet_shell", "observer", "--page", "memory"]
    environ = shop.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    with Terminal(command, environ, cwd=str(shop.directory)) as terminal:
        terminal.wait_for("proportional")
        terminal.send("\r")
        terminal.wait_for(top.split()[0])
        lines = [line.rstrip() for line in terminal.text.splitlines()]
        begin = lines.index(looks)
        seen = "".join(f"{line}\n" for line in lines[begin + 1 : begin + 3])
        assert pattern(f"{header}\n{top}\n").fullmatch(seen), terminal.text
        terminal.send("q")
        assert terminal.wait() == 0


def test_its_examples_do_what_it_says(tmp_path: Path) -> None:
    """In a process of their own: what they attach stays there."""
    blocks = re.findall(r"^```pycon\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    assert_examples(blocks, tmp_path)
