"""Followers and matches: every line once, in order; a slow one loses lines, knows how many, harms nobody."""

import os

import pytest

from support.output import rig

NUMBERED = "import sys\nfor number in range(int(sys.argv[1])): print('line', number)"


def test_a_follower_of_all_hears_processes_that_come_later(tmp_path):
    with rig(tmp_path) as node:
        heard: list[tuple[str, str]] = []
        node.open("web.1")
        node.output.follow(None, lambda name, lines: heard.extend((name, line) for line in lines))
        node.open("web.2")
        node.write(b"one\n", "web.1")
        node.until(lambda: len(heard) == 1)
        node.write(b"two\nthree\n", "web.2")
        node.until(lambda: len(heard) == 3)
        assert heard == [("web.1", "one"), ("web.2", "two"), ("web.2", "three")]


def test_a_follower_of_some_hears_those_alone_also_when_they_are_opened_again(tmp_path):
    with rig(tmp_path) as node:
        heard: list[str] = []
        node.output.follow(["web.2"], lambda _name, lines: heard.extend(lines))
        for name in ("web.1", "web.2"):
            node.open(name)
            node.write(f"from {name}\n".encode(), name)
            node.settle(name)
        node.output.close("web.2")
        node.open("web.2")
        node.write(b"again\n", "web.2")
        node.until(lambda: len(heard) == 2)
        assert heard == ["from web.2", "again"]


def test_nothing_comes_after_a_cancel(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        heard: list[str] = []
        seen: list[str] = []
        follower = node.output.follow(None, lambda _name, lines: heard.extend(lines))
        node.output.follow(None, lambda _name, lines: seen.extend(lines))
        node.write(b"one\n")
        node.until(lambda: heard and seen)
        follower.cancel()
        follower.cancel()
        node.write(b"two\n")
        node.until(lambda: len(seen) == 2)
        assert heard == ["one"]


def test_half_a_line_waits_for_its_other_half(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        heard: list[str] = []
        node.output.follow(None, lambda _name, lines: heard.extend(lines))
        node.write("hal\u00e9".encode()[:-1])
        node.until(lambda: node.output.counters("web.1").bytes == 4)
        node.write("\u00e9".encode()[1:] + b"f\nand")
        node.until(lambda: heard)
        assert heard == ["hal\u00e9f"]


def test_a_follower_that_is_too_slow_loses_lines_and_knows_how_many(tmp_path):
    """The loop does not run while the process writes: that goes on, the file has all, the queue is full."""
    with rig(tmp_path) as node:
        node.open(max_bytes=0)
        heard: list[str] = []
        follower = node.output.follow(None, lambda _name, lines: heard.extend(lines))
        assert node.spawn(NUMBERED, 300_000).wait() == 0
        node.settle()
        node.until(lambda: len(heard) + follower.dropped == 300_000)
        assert 0 < len(heard) < 100_000
        assert heard[:1000] == [f"line {number}" for number in range(1000)]
        assert node.file().count(b"\n") == 300_000


def test_batches_are_bounded(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        sizes: list[int] = []
        node.output.follow(None, lambda _name, lines: sizes.append(len(lines)))
        node.write(b"\n" * 5000)
        node.until(lambda: sum(sizes) == 5000)
        assert max(sizes) <= 500


def test_a_match_calls_once_with_the_first_line_that_matches(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        found: list[str] = []
        match = node.output.match("web.1", r"port (\d+)$", found.append)
        node.run("print('starting'); print('listening on port 80'); print('not port 81'); print('port 82')")
        node.until(lambda: found)
        node.run("print('port 83')")
        assert found == ["listening on port 80"]
        match.cancel()


def test_a_match_sees_a_line_that_comes_in_pieces_and_one_without_an_end(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        found: list[str] = []
        node.output.match("web.1", "^ready$", found.append)
        node.run(
            "import os\nfor character in b'no\\nrea': os.write(1, bytes([character]))\nos.write(1, b'dy')"
        )
        node.until(lambda: found)
        assert found == ["ready"]


def test_a_cancelled_match_stays_silent(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        found: list[str] = []
        later: list[str] = []
        node.output.match("web.1", "ready", found.append).cancel()
        node.output.match("web.1", "ready", later.append)
        node.write(b"ready\n")
        node.until(lambda: later)
        assert found == []


def test_a_match_hears_its_own_process_only(tmp_path):
    with rig(tmp_path) as node:
        found: list[str] = []
        node.open("web.1")
        node.open("web.2")
        node.output.match("web.2", "ready", found.append)
        node.write(b"ready one\n", "web.1")
        node.settle("web.1")
        node.write(b"ready two\n", "web.2")
        node.until(lambda: found)
        assert found == ["ready two"]


def test_garbage_is_decoded_with_replacement_and_lines_never_run_together(tmp_path):
    garbage = [os.urandom(50).replace(b"\n", b"") for _ in range(500)]
    with rig(tmp_path) as node:
        node.open()
        heard: list[str] = []
        node.output.follow(None, lambda _name, lines: heard.extend(lines))
        node.write(b"\n".join(garbage) + b"\n")
        node.until(lambda: len(heard) == 500)
        assert heard == [line.decode("utf-8", "replace") for line in garbage]


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_a_follower_begins_with_what_came_before_and_misses_nothing_in_between(tmp_path, form):
    """It begins while the process writes, in the middle of a line: each line is told once, in order."""
    code = (
        "import os, sys\n"
        "for number in range(3000): os.write(1, b'li'); os.write(1, b'ne %d\\n' % number)\n"
        "os.write(1, b'be')\n"
        "sys.stdin.readline()\n"
        "os.write(1, b'gun\\nend\\n')\n"
    )
    with rig(tmp_path) as node:
        node.open(format=form)
        process = node.spawn(code)
        heard: list[list[str]] = []
        for wanted in (1, 100, 15_000, 25_000):
            node.until(lambda wanted=wanted: node.output.counters("web.1").bytes > wanted)
            lines: list[str] = []
            heard.append(lines)
            node.output.follow(["web.1"], lambda _name, new, lines=lines: lines.extend(new), last=10_000)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        wanted_lines = [*(f"line {number}" for number in range(3000)), "begun", "end"]
        node.until(lambda: all(lines and lines[-1] == "end" for lines in heard))
        assert heard == [wanted_lines] * 4


def test_a_follower_of_all_begins_with_the_last_lines_of_each(tmp_path):
    with rig(tmp_path) as node:
        for name in ("web.1", "web.2", "silent.1"):
            node.open(name)
        node.write(b"1\n2\n3\n", "web.1")
        node.write(b"4\n5\n6\n", "web.2")
        node.settle("web.1")
        node.settle("web.2")
        heard: list[tuple[str, list[str]]] = []
        node.output.follow(None, lambda name, lines: heard.append((name, lines)), last=2)
        node.until(lambda: len(heard) == 2)
        node.write(b"7\n", "silent.1")
        node.until(lambda: len(heard) == 3)
        assert heard == [("web.1", ["2", "3"]), ("web.2", ["5", "6"]), ("silent.1", ["7"])]


def test_last_lines_are_read_of_processes_that_run_and_of_those_that_do_not(tmp_path):
    with rig(tmp_path) as node:
        node.open("web.1", format="json")
        node.write(b"one\ntwo\nthr", "web.1")
        node.settle("web.1")
        node.output.close("web.1")
        node.open("none.1", file="none")
        node.write(b"four\nfive\nsi", "none.1")
        node.until(lambda: node.output.counters("none.1").bytes == 12)
        found: list[dict[str, list[str]]] = []
        node.output.read_last(["none.1", "web.1", "nobody.1"], 2, found.append)
        node.output.read_last(["web.1"], 0, found.append)
        node.until(lambda: len(found) == 2)
        assert found == [{"none.1": ["four", "five"], "web.1": ["two", "thr"]}, {}]


def test_no_request_reads_more_lines_than_are_bearable(tmp_path):
    with rig(tmp_path) as node:
        for name in ("web.1", "web.2"):
            node.open(name)
            for _ in range(12):
                node.write(b"\n" * 1000, name)
                node.settle(name)
        found: list[dict[str, list[str]]] = []
        node.output.read_last(["web.1", "web.2"], 1_000_000, found.append)
        node.until(lambda: found)
        assert {name: len(lines) for name, lines in found[0].items()} == {"web.1": 5000, "web.2": 5000}
