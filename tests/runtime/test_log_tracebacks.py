"""A traceback is one event in the json and prefix formats, for followers too, however it is written."""

import itertools
import json
import random
import signal
import subprocess
import sys

import pytest

from limpet_supervisor.model.tracebacks import LONGEST, MOST_LINES, Kind, Tracebacks
from limpet_supervisor.runtime.lines import Json, Prefix, plain
from support.interpreters import interpreters
from support.output import Rig, rig

CHAIN = """
def f():
    raise KeyError("isbn")
try:
    try:
        f()
    except KeyError as error:
        raise ValueError("no such book") from error
except ValueError:
    raise ExceptionGroup("both", [TypeError("t"), ExceptionGroup("in", [OSError(1)])])
"""
FOOTED = (
    b"Traceback (most recent call last):\n"
    b'  File "/app.py", line 3, in <module>\n'
    b"sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: books\n"
    b"[SQL: SELECT 1]\n"
    b"(Background on this error at: https://sqlalche.me/e/20/e3q8)\n"
)
WRITE_SLOWLY = (
    "import os, sys\n"
    "for line in sys.argv[1].splitlines(keepends=True):\n"
    "    os.write(1, line.encode())\n"
    "    if len(sys.argv) > 2: sys.stdin.readline()\n"
)


def traceback_of(interpreter: str) -> bytes:
    """What a real interpreter prints of a chain with a group in it."""
    return subprocess.run([interpreter, "-c", CHAIN], capture_output=True, check=False, timeout=60).stderr


def events(stream: list[bytes]) -> list[bytes]:
    """The events of a stream that comes in these blocks."""
    seen = Tracebacks()
    found: list[bytes] = []
    for block in stream:
        parts = seen.parts(block)
        assert b"".join(part.data for part in parts) == block
        for kind, part in parts:
            if found and (kind is Kind.GOES_ON or not found[-1].endswith(b"\n")):
                found[-1] += part
            else:
                found.append(part)
    return found


@pytest.mark.parametrize("interpreter", interpreters())
def test_a_chain_of_tracebacks_is_one_event_wherever_it_is_cut(interpreter):
    text = traceback_of(interpreter)
    assert text.count(b"Traceback (most") == 3
    whole = [b"before\n", text, b"after\n"]
    assert events([b"".join(whole)]) == whole
    stream = b"".join(whole)
    chance = random.Random(7)
    for _ in range(200):
        cuts = sorted(chance.sample(range(len(stream)), 5))
        blocks = [stream[a:b] for a, b in itertools.pairwise((0, *cuts, len(stream)))]
        found = events(blocks)
        assert found[0].startswith(b"before\n")
        assert b"".join(found) == stream
        assert found[-1] == b"after\n"
        assert len(found) <= 3  # a header that was cut is known by its end only, and its line had begun


@pytest.mark.parametrize(
    "text",
    [
        FOOTED,
        b"Traceback (most recent call last):\n  File x, line 1\n    f(\n     ^\nSyntaxError: never closed\n",
    ],
    ids=["details", "syntax"],
)
def test_what_an_exception_says_in_more_lines_belongs_to_it(text):
    assert events([text, b"next\n"]) == [text, b"next\n"]


def test_two_tracebacks_in_a_row_are_two_events():
    assert events([FOOTED + FOOTED]) == [FOOTED, FOOTED]
    begun = b"Traceback (most recent call last):\n  File x\n"  # two threads at once
    assert events([begun + FOOTED]) == [begun, FOOTED]


def test_what_only_mentions_a_traceback_is_none():
    for line in (b"see: Traceback (most recent call last):\n", b"Traceback (most recent call last): no\n"):
        assert events([line, b"  next\n"]) == [line, b"  next\n"]


def test_a_traceback_without_an_end_is_cut_at_its_bound():
    header = b"Traceback (most recent call last):\n"
    many = events([header] + [b"  x\n"] * (MOST_LINES + 10))
    assert many[0].count(b"\n") == MOST_LINES
    long = events([header] + [b"  " + b"x" * 5000 + b"\n"] * 200)
    assert LONGEST <= len(long[0]) <= LONGEST + 6000


# -- in the file ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_the_json_of_a_traceback_is_one_object_with_all_its_lines(step):
    text = traceback_of(sys.executable)
    stream = b"before\n" + text + b"after \xe2\x82\xac\n"
    encoder = Json("web.1")
    written = b""
    for start in range(0, len(stream), step):
        written += encoder.encode(
            stream[start : start + step], in_line=bool(written) and not written.endswith(b"\n")
        )
    lines = [json.loads(line)["line"] for line in written.splitlines()]
    assert lines == ["before", text.decode(), "after €"]
    assert [plain(line, "json") for line in written.decode().splitlines()][1] == text.decode().rstrip("\n")


def test_the_prefix_stands_before_the_first_line_of_a_traceback_alone():
    text = traceback_of(sys.executable)
    written = Prefix("web.1").encode(b"before\n" + text + b"after\n", in_line=False).decode()
    lines = written.split("\n")[:-1]
    assert [" web.1 " in line for line in lines].count(True) == 3
    assert [plain(line, "prefix") for line in lines] == ["before", *text.decode().split("\n")[:-1], "after"]


@pytest.mark.parametrize("form", ["json", "prefix"])
def test_a_traceback_that_comes_line_by_line_is_complete_when_its_writer_pauses(tmp_path, form):
    """Nothing is waited for that does not come: the object is ended by a timer, and the process lives on."""
    with rig(tmp_path) as node:
        node.open(format=form)
        process = node.spawn(WRITE_SLOWLY, FOOTED.decode() + "next", "wait")
        assert process.stdin is not None
        for count in range(FOOTED.count(b"\n")):
            node.until(lambda wanted=count: node.output.counters("web.1").bytes >= size(wanted + 1))
            if count < FOOTED.count(b"\n") - 1:
                process.stdin.write(b"\n")
                process.stdin.flush()
        node.until(lambda: node.file().endswith(b"\n"))
        written = node.file().decode()
        if form == "json":
            # Read in a pause longer than the timer's, a part of it may have been an event of its own.
            assert "".join(json.loads(line)["line"].rstrip("\n") + "\n" for line in written.splitlines()) == (
                FOOTED.decode()
            )
        assert node.output.last_lines("web.1", 100) == FOOTED.decode().split("\n")[:-1]


def size(lines: int) -> int:
    """Bytes of so many first lines of FOOTED."""
    return len(b"".join(FOOTED.splitlines(keepends=True)[:lines]))


def test_an_uncaught_exception_is_one_object_and_a_follower_gets_it_at_once(tmp_path):
    with rig(tmp_path) as node:
        node.open(format="json")
        heard: list[list[str]] = []
        node.output.follow(["web.1"], lambda _name, lines: heard.append(lines))
        last = node.run("print('begins', flush=True)\n" + CHAIN)
        lines = [json.loads(line)["line"] for line in node.file().splitlines()]
        assert lines[0] == "begins"
        assert len(lines) == 2
        assert lines[1].count("Traceback") == 3
        node.until(lambda: sum(map(len, heard)) == len(last))
        assert [line for lines in heard for line in lines] == list(last)
        assert lines[1].split("\n")[:-1] in (heard[-1], heard[-1][1:])  # in one piece


@pytest.mark.parametrize("form", ["json", "prefix"])
def test_tracebacks_of_two_processes_in_one_file_are_not_mixed(tmp_path, form):
    with rig(tmp_path) as node:
        names = ("web.1", "web.2")
        for name in names:
            node.open(name, file="web.log", format=form)
        text = FOOTED.decode()
        for line in text.splitlines(keepends=True):
            for name in names:
                node.write(line.replace("books", name).encode(), name)
        for name in names:
            node.settle(name)
        written = (node.logs / "web.log").read_text()
        found = [plain(line, form) for line in written.split("\n")[:-1]]
        assert "\n".join(found) + "\n" in (
            text.replace("books", "web.1") + text.replace("books", "web.2"),
            text.replace("books", "web.2") + text.replace("books", "web.1"),
        )
        assert written.count('{"time"' if form == "json" else " web.") >= 2
        if form == "json":
            assert len(written.splitlines()) == 2


@pytest.mark.parametrize("form", ["json", "prefix"])
def test_a_process_that_is_killed_inside_a_traceback_leaves_whole_lines(tmp_path, form):
    code = (
        "import os, signal, sys\n"
        "os.write(1, b'Traceback (most recent call last):\\n  File x\\n    f')\n"
        f"os.kill(os.getpid(), {signal.SIGKILL:d})\n"
    )
    with rig(tmp_path) as node:
        node.open(format=form)
        assert node.run(code) == ("Traceback (most recent call last):", "  File x", "    f")
        assert node.run("print('next')") == ("next",)
        assert node.output.last_lines("web.1", 10) == [
            *("Traceback (most recent call last):", "  File x", "    f"),
            "next",
        ]


def test_a_successor_inside_a_traceback_loses_no_line(tmp_path):
    """The reader is gone at the worst place: after the exception's line, which may go on or not."""
    first = Rig(tmp_path)
    first.open(format="json")
    process = first.spawn(WRITE_SLOWLY, FOOTED.decode() + "last\n", "wait")
    assert process.stdin is not None
    for count in range(3):
        first.until(lambda wanted=count: first.output.counters("web.1").bytes >= size(wanted + 1))
        process.stdin.write(b"\n" * (count < 2))
        process.stdin.flush()
    first.output.shutdown(keep=True)
    first.reactor.close()
    with rig(tmp_path) as node:
        node.processes.append(process)
        node.open(format="json")
        process.stdin.write(b"\n" * 10)
        process.stdin.flush()
        node.until(lambda: process.poll() is not None)
        node.settle()
        assert node.output.last_lines("web.1", 100) == [*FOOTED.decode().split("\n")[:-1], "last"]
        for line in node.file().splitlines():
            json.loads(line)


def test_lines_that_follow_on_history_are_told_once_inside_a_traceback(tmp_path):
    with rig(tmp_path) as node:
        node.open(format="json")
        process = node.spawn(WRITE_SLOWLY, FOOTED.decode() + "end\n", "wait")
        assert process.stdin is not None
        first: list[str] = []
        second: list[str] = []
        for count in range(6):
            node.until(lambda wanted=count: node.output.counters("web.1").bytes >= size(wanted + 1))
            if count == 1:
                node.output.follow(["web.1"], lambda _name, lines: first.extend(lines), last=100)
            if count == 3:
                node.output.follow(["web.1"], lambda _name, lines: second.extend(lines), last=100)
            process.stdin.write(b"\n")
            process.stdin.flush()
        wanted = [*FOOTED.decode().split("\n")[:-1], "end"]
        node.until(lambda: len(first) >= len(wanted) and len(second) >= len(wanted))
        assert first == wanted
        assert second == wanted
