"""A line that is an object of limpet.log stands in a json file as it is; what only looks so is wrapped."""

import json
import random

import pytest

from limpet_supervisor.runtime.lines import JSON_LINE, Json, plain
from support.output import rig

OBJECT = b'{"time":"2026-11-23T06:00:00.123456Z","level":"info","message":"sold","process":"web.1"}\n'
LOGGING = (
    "import logging, sys\n"
    "from limpet import log\n"
    "log.setup()\n"
    "for number in range(int(sys.argv[1])): logging.info('line %d', number, extra={'pad': 'x' * 300})\n"
)


def encode(blocks, *, more=()):
    encoder = Json("web.1")
    written = b""
    for number, block in enumerate(blocks):
        in_line = bool(written) and not written.endswith(b"\n")
        written += encoder.encode(block, in_line=in_line, more=number in more)
    return written + encoder.end(in_line=bool(written) and not written.endswith(b"\n"))


def test_objects_among_other_lines_are_as_they_were():
    found = encode([b"one\n" + OBJECT * 2 + b"two\n" + OBJECT + b"three"]).splitlines(keepends=True)
    assert [line for line in found if line == OBJECT] == [OBJECT] * 3
    assert [json.loads(found[k])["line"] for k in (0, 3, 5)] == ["one", "two", "three"]
    assert [plain(line.decode(), "json") for line in found][1] == OBJECT.decode()


def test_the_process_is_added_where_it_is_missing():
    missing = OBJECT.replace(b',"process":"web.1"', b"")
    first, second = encode([OBJECT.replace(b"web.1", b"web.9") + missing]).splitlines()
    assert json.loads(first)["process"] == "web.9"
    assert json.loads(second) == json.loads(OBJECT)


@pytest.mark.parametrize(
    "line",
    [
        b'{"time":"2026-11-23T06:00:00Z","message":"torn{"time":"2026-11-23T06:00:00Z"}\n',
        b'{"time":"2026-11-23T06:00:00Z","message":"\xff"}\n',
        b'{"time":"2026-11-23T06:00:00Z"} and more}\n',
        b'{"time":"2026-11-23T06:00:00Z"}{"time":"x"}\n',
        b'{"time":"2026-11-23T06:00:00Z"\n',
        b'{"time":"t","process":5}\n',
    ],
)
def test_what_is_no_valid_object_is_wrapped_and_its_neighbours_are_not(line):
    found = encode([OBJECT + line + OBJECT]).splitlines(keepends=True)
    assert (found[0], found[2]) == (OBJECT, OBJECT)
    assert len(found) == 3
    assert json.loads(found[1])["line"] == line.decode("utf-8", "replace")[:-1]


def test_an_object_that_is_cut_by_a_full_buffer_is_waited_for():
    stream = OBJECT * 50
    chance = random.Random(3)
    for _ in range(50):
        cut = chance.randrange(1, len(stream))
        assert encode([stream[:cut], stream[cut:]], more=(0,)) == stream


def test_one_whose_rest_is_not_there_is_wrapped_at_once():
    """Nothing stays in memory, where a killed node would lose it."""
    encoder = Json("web.1")
    assert encoder.encode(OBJECT[:40], in_line=False).endswith(b'06:00:00.123456Z\\",\\"l')
    assert not encoder.holding
    held = Json("web.1")
    assert held.encode(OBJECT[:40], in_line=False, more=True) == b""
    assert held.holding
    rest = held.encode(b"", in_line=False)
    assert not held.holding
    assert json.loads(rest + held.end(in_line=True))["line"] == OBJECT[:40].decode()


def test_an_object_without_an_end_is_not_kept_for_ever():
    encoder = Json("web.1")
    written = encoder.encode(OBJECT[:40] + b"x" * JSON_LINE, in_line=False, more=True)
    assert not encoder.holding
    assert len(written) > JSON_LINE


def test_a_flood_of_objects_is_in_the_file_as_it_was_written(tmp_path):
    with rig(tmp_path) as node:
        node.open(format="json", max_bytes=0)
        node.run(LOGGING, 20_000)
        lines = [json.loads(line) for line in node.file().splitlines()]
        assert [line.get("message") for line in lines] == [f"line {number}" for number in range(20_000)]
        assert {line["process"] for line in lines} == {"web.1"}


# -- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_a_line_of_ten_megabytes_is_all_there_and_the_next_one_is_whole(tmp_path, form):
    code = "import sys\nsys.stdout.write('{\"time\":\"' + 'x' * 10_000_000 + '\\nnext\\n')"
    with rig(tmp_path) as node:
        node.open(format=form, max_bytes=0)
        assert node.run(code)[-1] == "next"
        lines = node.file().decode().split("\n")[:-1]
        assert plain(lines[-1], form) == "next"
        assert sum(plain(line, form).count("x") for line in lines[:-1]) == 10_000_000
        if form == "json":
            assert all(json.loads(line).get("partial") for line in lines[:-2])


def test_writers_that_share_a_process_are_not_torn(tmp_path):
    """Forks write into one FIFO: what is written at once (at most 4,096 bytes) stays together, pipe(7)."""
    code = (
        "import os, logging\n"
        "from limpet import log\n"
        "os.fork(); os.fork()\n"
        "log.setup()\n"
        "for number in range(1000): logging.info('x' * 200, extra={'number': number})\n"
        "try:\n"
        "    while True: os.wait()\n"
        "except ChildProcessError: pass\n"
    )
    with rig(tmp_path) as node:
        node.open(format="json", max_bytes=0)
        node.run(code)
        counts: dict[int, list[int]] = {}
        for line in node.file().splitlines():
            found = json.loads(line)
            counts.setdefault(found["pid"], []).append(found["number"])
        assert sorted(counts.values()) == [list(range(1000))] * 4
