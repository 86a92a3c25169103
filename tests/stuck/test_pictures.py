"""Profiles as tables, collapsed stacks, speedscope's JSON and flame graphs."""

import re
from typing import Any
from xml.dom.minidom import parseString

import pytest

from limpet_shell import flamegraph, profiles
from limpet_shell.output import plain
from limpet_supervisor.model.stacks import Lack, ProcessProfile, Rung


def profile(*stacks: tuple[str, int], name: str = "web.1", by: Rung = Rung.PY_SPY) -> ProcessProfile:
    """A profile with these stacks, as collapsed text and count."""
    counted = tuple((tuple(text.split(";")), count) for text, count in stacks)
    samples = sum(count for _, count in stacks)
    return ProcessProfile(name, 7, by, 100.0, 10.0, samples, counted)


SHOP = profile(
    ("main (app.py:1);dear (app.py:7);sum (app.py:9)", 60),
    ("main (app.py:1);dear (app.py:8);sum (app.py:9)", 15),
    ("main (app.py:2);cheap (app.py:3)", 20),
    ("main (app.py:2)", 5),
)


def test_the_table_has_the_part_of_each_function_alone_and_with_what_it_calls() -> None:
    lines = profiles.profile_lines([SHOP], plain)
    assert lines[0] == "web.1 (pid 7): 100 samples in 10.0s, 100 a second, by py-spy"
    assert [line.split() for line in lines[3:]] == [
        ["75.0%", "75.0%", "sum", "app.py"],
        ["20.0%", "20.0%", "cheap", "app.py"],
        ["5.0%", "100.0%", "main", "app.py"],
        ["0.0%", "75.0%", "dear", "app.py"],
    ]


def test_a_recursive_function_counts_once_a_sample() -> None:
    lines = profiles.profile_lines([profile(("f (a.py:1);f (a.py:1);f (a.py:1)", 4))], plain)
    assert lines[-1].split() == ["100.0%", "100.0%", "f", "a.py"]


def test_a_profile_from_inside_says_that_it_is_biased() -> None:
    inside = profile(("f (a.py:1)", 1), by=Rung.AGENT)
    assert any("GIL-biased" in line for line in profiles.profile_lines([inside], plain))


def test_an_idle_process_has_no_table() -> None:
    assert profiles.profile_lines([profile()], plain)[-1] == "no sample: it has used no CPU meanwhile"


def test_stacks_that_differ_in_the_line_only_are_one_unless_lines_are_wanted() -> None:
    assert profiles.collapsed(profiles.merged([SHOP], lines=False)) == (
        "main (app.py);dear (app.py);sum (app.py) 75\nmain (app.py);cheap (app.py) 20\nmain (app.py) 5\n"
    )
    assert len(profiles.merged([SHOP], lines=True)) == 4


def test_several_processes_are_told_apart_at_the_root() -> None:
    other = profile(("main (app.py:1)", 1), name="web.2")
    roots = {stack[0] for stack in profiles.merged([SHOP, other], lines=False)}
    assert roots == {"web.1", "web.2"}


def test_what_separates_frames_is_no_part_of_one() -> None:
    strange = ProcessProfile("a", 1, Rung.PY_SPY, 1.0, 1.0, 1, ((("a;b\nc (x.py:1)", "d"), 2),))
    assert profiles.collapsed(profiles.merged([strange], lines=False)) == "a:b c (x.py);d 2\n"


@pytest.mark.parametrize(
    ("frame", "parts"),
    [
        ("f (a.py:12)", ("f", "a.py", 12)),
        ("<genexpr> (dir/a b.py:1)", ("<genexpr>", "dir/a b.py", 1)),
        ("operator() (libx.so.1)", ("operator()", "libx.so.1", 0)),
        ("0x7f (libc.so.6)", ("0x7f", "libc.so.6", 0)),
        ("plain", ("plain", "", 0)),
    ],
)
def test_a_frame_is_taken_apart(frame: str, parts: tuple[str, str, int]) -> None:
    assert tuple(profiles.place_of(frame)) == parts


def check_speedscope(file: dict[str, Any]) -> None:
    """What https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts demands of a file."""
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = file["shared"]["frames"]
    for frame in frames:
        assert isinstance(frame["name"], str)
        assert isinstance(frame.get("file", ""), str)
        assert isinstance(frame.get("line", 1), int)
        assert not frame.keys() - {"name", "file", "line", "col"}
    assert 0 <= file["activeProfileIndex"] < len(file["profiles"])
    for one in file["profiles"]:
        assert one["type"] == "sampled"
        assert isinstance(one["name"], str)
        assert one["unit"] in {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}
        assert len(one["samples"]) == len(one["weights"])
        assert all(
            isinstance(index, int) and 0 <= index < len(frames) for stack in one["samples"] for index in stack
        )
        assert one["endValue"] - one["startValue"] == pytest.approx(sum(one["weights"]))


def test_speedscope_takes_the_file() -> None:
    file = profiles.speedscope([SHOP, profile(("main (app.py:1)", 1), name="web.2")])
    check_speedscope(file)
    first = file["profiles"][0]
    names = [file["shared"]["frames"][index]["name"] for index in first["samples"][0]]
    assert names == ["main", "dear", "sum"]
    assert first["weights"][0] == 0.6


def test_a_flame_graph_is_one_file_in_which_each_frame_lies_on_its_caller() -> None:
    text = flamegraph.svg(profiles.merged([SHOP], lines=False), 'web.1: <100 samples> & "more"\x1b[31m')
    root = parseString(text).documentElement  # noqa: S318 - we have written it
    assert "href" not in text
    assert "&lt;100 samples&gt; &amp;" in text
    assert "\x1b" not in text
    boxes = {}
    for group in root.getElementsByTagName("g"):
        if group.getAttribute("class") == "frame":
            rect = group.getElementsByTagName("rect")[0]
            title = group.getElementsByTagName("title")[0].firstChild.data
            x, y, width = (float(rect.getAttribute(name)) for name in ("x", "y", "width"))
            boxes[re.sub(r" \([^()]*\)$", "", title)] = (x, x + width, y, title)
    assert boxes["dear (app.py)"][3] == "dear (app.py) (75 samples, 75.00%)"
    for inner, outer in [
        ("main (app.py)", "all"),
        ("dear (app.py)", "main (app.py)"),
        ("cheap (app.py)", "main (app.py)"),
        ("sum (app.py)", "dear (app.py)"),
    ]:
        left, right, y, _ = boxes[inner]
        assert boxes[outer][0] - 0.02 <= left < right <= boxes[outer][1] + 0.02
        assert y < boxes[outer][2]
    assert boxes["all"][1] - boxes["all"][0] == pytest.approx(1180)
    assert boxes["cheap (app.py)"][1] <= boxes["dear (app.py)"][0] + 0.02


def test_an_empty_flame_graph_is_one() -> None:
    assert "<title>all (0 samples, 100.00%)</title>" in flamegraph.svg(
        profiles.merged([], lines=False), "nothing"
    )


def test_what_a_process_names_does_not_reach_a_terminal_raw() -> None:
    strange = profile(("\x1b[2Jf (\x07.py:1)", 3))
    assert not any("\x1b" in line or "\x07" in line for line in profiles.profile_lines([strange], plain))
    lacking = ProcessProfile(
        "a", 1, Rung.AGENT, 1.0, 1.0, 0, (), 0, (Lack(Rung.PY_SPY, "\x1b[2J"),), ("\x07",)
    )
    assert not any("\x1b" in line or "\x07" in line for line in profiles.profile_lines([lacking], plain))
