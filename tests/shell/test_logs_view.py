"""logs: entries of several processes in the order of time; what is chosen of them; as text and as JSON."""

import itertools
import json
import time

import pytest

from limpet_shell.logs.choice import MOST, chosen, of_words
from limpet_shell.logs.entries import Entries
from limpet_shell.logs.moments import moment, own
from limpet_shell.logs.view import LogView
from limpet_shell.output import plain
from limpet_supervisor.errors import UsageError
from limpet_supervisor.model.levels import level_of, name_of, named
from limpet_supervisor.runtime.output import MOST_LINES
from limpet_supervisor.wire import messages as m

NOW = 1_700_000_000.0
TRACEBACK = ("Traceback (most recent call last):", '  File "x", line 1, in f', "ValueError: no")
RECORD = (
    '{"time":"2026-11-23T06:00:00.123456Z","level":"warning","message":"slow","logger":"shop","file":"a.py:3",'
    '"pid":7,"isbn":"978","exception":"Traceback (most recent call last):\\nValueError: no"}'
)


def item(process, *lines, at=NOW, step=1.0, more=False):
    times = tuple(None if at is None else at + step * k for k in range(len(lines)))
    return m.LogItem(process=process, lines=lines, times=times, more=more)


def shown(words, *answers, terminal=False, as_json=False):
    view = LogView(of_words(words.split()), plain, terminal=terminal, as_json=as_json)
    return [line for answer in answers for line in view.take(answer)]


def test_what_came_before_is_merged_by_time_and_what_is_new_follows_as_it_comes():
    lines = shown(
        "-f",
        item("web.1", "first", "third", step=2.0),
        item("web.2", "second", at=NOW + 1),
        m.LogsPast(),
        item("web.2", "new", at=NOW - 100),
        item("web.1", "newer"),
    )
    assert lines == ["web.1 | first", "web.2 | second", "web.1 | third", "web.2 | new", "web.1 | newer"]


def test_nothing_is_shown_before_all_of_the_past_is_there():
    view = LogView(of_words([]), plain, terminal=False)
    assert view.take(item("web.1", "a")) == []
    assert view.take(m.LogsPast()) == ["web.1 | a"]
    assert view.take(m.StreamEnd()) == []


def test_each_process_keeps_its_order_though_a_clock_jumped_or_time_is_not_known():
    lines = shown("", item("a.1", "1", "2", "3", step=-50.0), item("b.1", "x", "y", at=None), m.StreamEnd())
    assert [line for line in lines if line.startswith("a")] == ["a.1 | 1", "a.1 | 2", "a.1 | 3"]
    assert [line for line in lines if line.startswith("b")] == ["b.1 | x", "b.1 | y"]


def test_of_each_process_the_last_entries_that_are_chosen_are_shown():
    lines = [f"{level}: {k}" for k, level in itertools.product(range(5), ("info", "error"))]
    found = shown("web -n 2 --level error", item("web.1", *lines), item("web.2", *lines), m.LogsPast())
    assert sorted(found) == sorted(f"web.{n} | error: {k}" for n in (1, 2) for k in (3, 4))


def test_a_traceback_is_chosen_and_shown_as_a_whole():
    answers = (item("web.1", "INFO fine", *TRACEBACK, "INFO fine again"), m.LogsPast())
    for words in ("web.1 --level error", "web.1 --grep ValueError"):
        assert shown(words, *answers) == list(TRACEBACK)
    (entry,) = [json.loads(line) for line in shown("--grep ValueError", *answers, as_json=True)]
    assert entry["line"] == "\n".join(TRACEBACK)
    assert (entry["level"], entry["time"]) == ("error", "2023-11-14T22:13:21.000000Z")


def test_a_traceback_that_comes_in_two_items_is_one_entry_if_they_belong_together():
    together = Entries()
    assert together.feed("w", TRACEBACK[:2], (NOW, NOW), more=True) == []
    (entry,) = together.feed("w", TRACEBACK[2:], (NOW,))
    assert entry.text == "\n".join(TRACEBACK)
    apart = Entries()
    assert [len(apart.feed("w", part, ())) for part in (TRACEBACK[:2], TRACEBACK[2:])] == [1, 1]


def test_an_indented_line_has_the_level_of_the_one_before_it():
    answers = (item("w.1", "ERROR: bad", "  detail", "INFO: good", "  detail"), m.LogsPast())
    assert shown("w.1 --level error", *answers) == ["ERROR: bad", "  detail"]


def test_times_choose_and_a_line_without_any_is_left_out():
    answers = (item("w.1", "1", "2", "3"), item("old.1", "?", at=None), m.LogsPast())
    choice = chosen([], since="2023-11-14T22:13:21Z", until="2023-11-14T22:13:21.5Z")
    view = LogView(choice, plain, terminal=False)
    assert [line for answer in answers for line in view.take(answer)] == ["w.1 | 2"]


def test_a_line_with_no_time_of_its_own_may_begin_with_one():
    assert own("2026-11-23T06:00:00.5Z x") == own("[2026-11-23 06:00:00,500+00:00] x")
    assert own('{"timestamp": "2026-11-23T06:00:00Z"}') == moment("2026-11-23T06:00:00Z", NOW)
    assert own("2026-99-23T06:00:00Z") is None
    assert own("x 2026-11-23T06:00:00Z") is None


@pytest.mark.parametrize(("text", "ago"), [("10m", 600.0), ("1h30m", 5400.0), ("0s", 0.0)])
def test_a_duration_is_so_long_ago(text, ago):
    assert moment(text, NOW) == NOW - ago


def test_a_clock_time_is_of_today():
    local = time.localtime(moment("08:30", NOW))
    assert (local[:3], local[3:5]) == (time.localtime(NOW)[:3], (8, 30))


def test_an_object_of_limpet_log_is_for_a_person_on_a_terminal_and_itself_elsewhere():
    answers = (item("w.1", RECORD, at=None), m.LogsPast())
    assert shown("w.1", *answers) == [RECORD]
    first, *rest = shown("w.1", *answers, terminal=True)
    assert first.endswith("WARNING shop: slow  isbn=978")
    assert rest == ["Traceback (most recent call last):", "ValueError: no"]
    (entry,) = [json.loads(line) for line in shown("w.1", *answers, as_json=True)]
    assert entry["record"]["isbn"] == "978"
    assert (entry["level"], entry["time"]) == ("warning", "2026-11-23T06:00:00.123456Z")


def test_control_characters_never_reach_a_terminal():
    evil = RECORD.replace("slow", "\\u001b]0;evil\\u0007")
    assert "\x1b" not in "".join(shown("w.1", item("w.1", evil, "\x1b]0;x"), m.LogsPast(), terminal=True))


def test_lines_can_have_their_times():
    (line,) = shown("w.1 -t", item("w.1", "x"), m.LogsPast())
    assert line.startswith("2023-11-1")
    assert line.endswith(":20.000 x")


def test_the_node_is_asked_for_all_that_one_request_reads_if_some_are_left_out():
    assert MOST == MOST_LINES
    asked = of_words(["web", "-n", "5"]).request()
    assert (asked.names, asked.follow) == (("web",), False)
    assert asked.lines >= 5 * 20, "five entries, each maybe a traceback"
    assert of_words(["-n", "0"]).request().lines == 0
    assert of_words(["-n", "20000"]).request().lines == 20000
    assert of_words(["-f", "--grep", "x"]).request() == m.Logs(lines=MOST, follow=True)
    view = LogView(of_words(["--grep", "x"]), plain, terminal=False)
    assert view.note(m.LogsPast(cut=("web.1",))).startswith("(of web.1 only the last lines were looked at")
    assert LogView(of_words([]), plain, terminal=False).note(m.LogsPast(cut=("web.1",))) == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--grep (", "'(' is no regular expression"),
        ("--level loud", "There is no level 'loud'. say debug, info"),
        ("--since yesterday", "'yesterday' is no time. say 10m (ago)"),
        ("--sinec 10m", "logs does not know --sinec. say: logs [NAME…]"),
        ("--level", "--level wants a value"),
        ("-n -5", "-n wants a number, not '-5'"),
    ],
)
def test_a_wrong_word_says_what_is_wanted(words, message):
    with pytest.raises(UsageError) as caught:
        of_words(words.split())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("INFO:     127.0.0.1:5 - GET / 200", "info"),
        ("[2026-11-23 06:00:00 +0000] [12] [INFO] Booting worker", "info"),
        ("2026-11-23 06:00:00,123 WARNING shop: slow", "warning"),
        ("2026-11-23 06:00:00.123 | ERROR    | shop:f:1 - boom", "error"),
        ("error: nothing to do", "error"),
        ("2026/11/23 06:00:00 [error] 7#7: upstream", "error"),
        ('ts=1 level=warn msg="x"', "warning"),
        ("<3>bad", "error"),
        ("<7>fine", "debug"),
        ('{"message": "x", "severity": "CRITICAL"}', "critical"),
        ('{"level":35,"message":"x"}', "warning"),
        ("\x1b[31mERROR\x1b[0m:  x", "error"),
        ("Traceback (most recent call last):", "error"),
        ("there was no error here", None),
        ("ERRORS happen", None),
        ('{"message":"level"}', None),
        ("", None),
        ("<9>x", None),
    ],
)
def test_a_level_is_found_in_the_usual_shapes(line, level):
    found = level_of(line)
    assert (None if found is None else name_of(found)) == level
    assert named(level or "x") == (found if found != 35 else 30)
