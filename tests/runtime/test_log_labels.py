"""The node's own standard output: severities for the journal, objects of limpet.log for a person."""

import os
import re
import threading

import pytest

from limpet_supervisor.runtime.history import Arrivals
from limpet_supervisor.runtime.labels import Journal, Names, is_journal
from support.output import rig

RECORD = (
    b'{"time":"2026-11-23T06:00:00.123456Z","level":"warning","message":"slow","logger":"shop","took":1.5,'
    b'"exception":"Traceback (most recent call last):\\nValueError: no"}\n'
)


def severities(block: bytes, labels: Journal | None = None) -> list[int]:
    lines = (labels or Journal()).lines("web.1", block).decode().splitlines()
    assert all(re.match(r"<\d>web\.1: ", line) for line in lines)
    return [int(line[1]) for line in lines]


def test_each_line_for_the_journal_has_the_severity_that_it_says():
    assert severities(b"fine\nERROR: bad\n  detail\nWARNING: x\n<2>grave\nDEBUG x\n" + RECORD) == [
        *(6, 3, 3, 4, 2, 7),
        4,
    ]
    assert Journal().lines("w", b"<2>grave\n") == b"<2>w: grave\n"
    assert Journal().say("node\nsays") == b"<6>node\n<6>says\n"


def test_a_traceback_is_of_errors_and_the_line_behind_it_is_not():
    block = b"Traceback (most recent call last):\n  File x, line 1\nValueError: no\nfine\n"
    assert severities(block) == [3, 3, 3, 6]


def test_an_indented_line_of_the_next_block_goes_on_with_the_severity():
    labels = Journal()
    assert severities(b"ERROR: bad\n", labels) == [3]
    assert severities(b"  detail\n", labels) == [3]


def test_it_is_the_journal_if_device_and_inode_are_those_of_the_variable():
    read, write = os.pipe()
    try:
        facts = os.fstat(write)
        stream = f"{facts.st_dev}:{facts.st_ino}"
        assert is_journal(write, {"JOURNAL_STREAM": stream})
        assert not is_journal(write, {"JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino + 1}"})
        assert not is_journal(write, {})
    finally:
        os.close(read)
        os.close(write)
    assert not is_journal(write, {"JOURNAL_STREAM": stream})


def test_output_to_the_journal_has_severities_of_whole_lines(tmp_path, monkeypatch):
    read, write = os.pipe()
    facts = os.fstat(write)
    monkeypatch.setenv("JOURNAL_STREAM", f"{facts.st_dev}:{facts.st_ino}")
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.extend(iter(lambda: os.read(read, 65536), b"")))
    reader.start()
    try:
        with rig(tmp_path, stdout=write) as node:
            node.open()
            node.run("import sys; print('ERROR: bad'); sys.exit('plain')")
    finally:
        os.close(write)
        reader.join()
        os.close(read)
    assert b"".join(heard) == b"<3>web.1: ERROR: bad\n<6>web.1: plain\n"


def test_in_colour_an_object_is_for_a_person_and_without_it_is_itself():
    plain = Names(color=False)
    assert plain.lines("w", RECORD) == b"w | " + RECORD
    shown = re.sub(r"\x1b\[\d+m", "", Names(color=True).lines("w", b"x\n" + RECORD).decode()).splitlines()
    assert shown[0] == "w | x"
    assert re.fullmatch(r"w \| \d\d:\d\d:\d\d WARNING shop: slow  took=1\.5", shown[1])
    assert shown[2:] == ["w | Traceback (most recent call last):", "w | ValueError: no"]


# -- when lines came --------------------------------------------------------------------------------------


def test_arrivals_know_the_last_exactly_and_the_older_ever_more_coarsely():
    arrivals = Arrivals()
    arrivals.begin(1000)
    for number in range(10_000):
        arrivals.note(1000 + 10 * (number + 1), float(number))
    for back in range(100):
        assert arrivals.before_end(10 * back + 1) == 9999.0 - back
    times = [arrivals.before_end(count) for count in range(100_000, 0, -1000)]
    assert times == sorted(times)
    assert arrivals.before_end(100_001) is None
    assert len(arrivals._ends) <= 256


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_lines_that_are_read_back_have_the_time_at_which_they_came(tmp_path, form):
    with rig(tmp_path) as node:
        node.logs.mkdir()
        (node.logs / "web.1.log").write_bytes(b"before our time\n" if form == "raw" else b"")
        node.open(format=form)
        live: list[tuple[str, float]] = []
        node.output.follow(None, lambda _name, new: live.extend(zip(new, new.times, strict=True)))
        for number in range(3):
            node.write(b"line %d\n" % number)
            node.settle()
        found: list = []
        node.output.read_last(["web.1"], 10, found.append)
        node.until(lambda: found and len(live) == 3)
        lines = found[0]["web.1"]
        times = dict(zip(lines, lines.times, strict=True))
        assert times.pop("before our time", None) is None
        assert list(times) == ["line 0", "line 1", "line 2"]
        assert all(abs(times[line] - at) < 1.0 for line, at in live)
        assert sorted(times.values()) == list(times.values())
