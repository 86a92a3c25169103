"""Formats of log files: what goes in comes back, whatever the bytes and however they were cut."""

import itertools
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.runtime.lines import JSON_LINE, Json, Prefix, plain, unfinished

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

pieces = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b"\n", b"\n\n", b'"', b"\\", b"\\n", b"\x7f", b"\x7f0", b"\x7f~}|{z", "é€😀".encode()]
        ),
    ),
    max_size=30,
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in chunks, cut at the places (modulo its length)."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


def encode(encoder, chunks):
    written = b""
    for chunk in chunks:
        written += encoder.encode(chunk, in_line=bool(written) and not written.endswith(b"\n"))
    return written


@given(pieces, st.lists(st.integers(0, 500)))
def test_json_lines_parse_back_to_what_was_written(data, places):
    text = b"".join(data) + b"\n"
    written = encode(Json("web.1"), cut(text, places))
    objects = [json.loads(line) for line in written.decode().split("\n")[:-1]]
    assert [each["line"] for each in objects] == text.decode("utf-8", "replace").split("\n")[:-1]
    assert all(each["process"] == "web.1" and STAMP.fullmatch(each["time"].encode()) for each in objects)


@given(pieces, st.lists(st.integers(0, 500)))
def test_prefixed_lines_are_the_lines_behind_time_and_name(data, places):
    text = b"".join(data) + b"\n"
    written = encode(Prefix("web.1"), cut(text, places))
    lines = written.split(b"\n")
    assert lines.pop() == b""
    assert all(STAMP.fullmatch(line[:24]) and line[24:31] == b" web.1 " for line in lines)
    assert [line[31:] for line in lines] == text.split(b"\n")[:-1]


def test_json_holds_every_byte_that_json_could_use_as_a_mark():
    """A block with all printable characters and DEL leaves no single byte to mark line ends with."""
    text = bytes(range(0x20, 0x80)) + b"\n\x7f0\x7f1\n"
    written = Json("w").encode(text, in_line=False)
    assert [json.loads(line)["line"].encode() for line in written.splitlines()] == text.split(b"\n")[:-1]


def test_a_json_line_without_an_end_is_cut_at_its_limit_and_says_so():
    encoder = Json("w")
    first = encoder.encode(b"x" * (JSON_LINE + 1), in_line=False)
    rest = encoder.encode(b"yz\n", in_line=False)
    assert json.loads(first)["partial"] is True
    assert "partial" not in json.loads(rest)
    assert json.loads(first)["line"] + json.loads(rest)["line"] == "x" * (JSON_LINE + 1) + "yz"


def test_an_unfinished_character_is_known_by_its_first_byte():
    for character in "aé€😀":
        encoded = character.encode()
        for count in range(1, len(encoded)):
            assert unfinished(b"ab" + encoded[:count]) == count
        assert unfinished(b"ab" + encoded) == 0
    assert unfinished(b"\x80\x80\x80\x80") == 0
    assert unfinished(b"") == 0


def test_plain_gives_the_line_of_each_format_and_leaves_others_alone():
    assert plain("2026-11-23T06:00:00.123Z web.1 hello  you", "prefix") == "hello  you"
    assert plain('{"time":"t","process":"web.1","line":"a \\"b\\""}', "json") == 'a "b"'
    for form in ("raw", "prefix", "json"):
        assert plain("{some other line}", form) == "{some other line}"
