"""What a person reads of a node's answers."""

from limpet_shell import render
from limpet_shell.output import paint, plain
from limpet_supervisor.model.status import EVENTS, Event
from limpet_supervisor.wire import messages as m
from support.told import BACKOFF, DEATH, TREE, process, status


def test_status_has_a_line_for_the_node_and_a_table_with_remarks() -> None:
    lines = render.status_lines(status(process("web.1"), BACKOFF), plain)
    assert lines[0].startswith("bookshop 1.0.0  running  pid ")
    assert lines[0].endswith("up 1m 40s  1 of 2 ready")
    assert lines[1:] == [
        "NAME   STATE    READY   PID  UPTIME  RESTARTS   CPU    MEMORY  AGENT",
        "web.1  running  yes    4242     12s         0  0.3%  30.0 MiB  ready",
        "web.2  backoff  no        -       -         0  0.3%  30.0 MiB  -",
        "  exit code 1; next try in 3s",
    ]


def test_in_a_narrow_terminal_status_leaves_out_what_is_of_least_interest() -> None:
    reply = status(process("web.1"), BACKOFF)
    assert render.status_lines(reply, plain, 40)[1:] == [
        "NAME   STATE    READY   PID  UPTIME",
        "web.1  running  yes    4242     12s",
        "web.2  backoff  no        -       -",
        "  exit code 1; next try in 3s",
    ]
    assert render.status_lines(reply, plain, 24)[1] == "NAME   STATE    READY"
    assert render.status_lines(reply, plain, 80) == render.status_lines(reply, plain)


def test_a_process_without_an_agent_says_why() -> None:
    lines = render.status_lines(status(process("nginx.1", agent="none", agent_reason="not Python")), plain)
    assert lines[-1] == "  no agent: not Python"


def test_status_in_a_pipe_is_tab_separated_with_seconds_and_bytes() -> None:
    assert render.status_plain(status(process("web.1"), BACKOFF)) == [
        "web.1\trunning\tyes\t4242\t12.5\t0\t0.3\t31457280\tready\t",
        "web.2\tbackoff\tno\t-\t-\t0\t0.3\t31457280\tready\texit code 1; next try in 3s",
    ]


def test_a_tab_in_a_reason_does_not_add_a_column() -> None:
    (line,) = render.status_plain(status(process("web.1", reason="a\tb\nc")))
    assert line.endswith("\ta\\tb\\nc")


def test_colours_say_the_state() -> None:
    lines = render.status_lines(status(process("web.1"), BACKOFF), paint)
    assert "\x1b[32mrunning\x1b[0m" in lines[2]
    assert "\x1b[31mbackoff\x1b[0m" in lines[3]


def test_the_tree_shows_supervisors_processes_and_what_they_have_forked() -> None:
    assert render.tree_lines(TREE, plain) == [
        "root  one_for_one, 3 restarts in 5s",
        "├─ web.1  running  pid 4242",
        "│  ├─ 4300 uvicorn worker  1.0 MiB, agent",
        "│  │  └─ 4301 sh  1 KiB",
        "│  └─ 4302 sleep  512 B",
        "└─ nested  one_for_all",
        "   └─ b.1  failed",
    ]


def test_why_tells_the_last_deaths_and_their_last_lines() -> None:
    lines = render.why_lines(m.WhyReply(process=process("web.1", restarts=1), deaths=(DEATH,)), plain)
    assert lines[0] == "web.1 is running for 12s, pid 4242"
    assert "pid 41  killed by SIGKILL after 3s: not ready within 60s" in lines[3]
    assert lines[4:] == [
        "  black box: /var/box",
        "  | before",
        "  | \x1b[31mred\x1b[0m \\x1b]0;title\\x07\x1b[0m",
    ]


def test_why_of_one_that_never_died_says_so() -> None:
    lines = render.why_lines(m.WhyReply(process=process("web.1"), deaths=()), plain)
    assert lines[1] == "it has not died since the node booted"


def test_a_process_that_has_ended_well_is_no_alarm() -> None:
    def marked(text: str, style: str) -> str:
        return f"<{style}>{text.strip()}"

    ended = Event(at=0.25, kind="exited", process="web.1", text="web.1 ended", detail={"code": 0})
    assert "<>exited" in render.event_line(ended, marked)
    ended.detail["code"] = 1
    assert "<red>exited" in render.event_line(ended, marked)


def test_an_event_is_time_kind_and_text() -> None:
    line = render.event_line(Event(at=0.25, kind="exited", process="web.1", text="web.1 died"), plain)
    assert line.endswith(".250  exited             web.1 died")


def test_events_of_all_kinds_stand_in_columns() -> None:
    lines = [render.event_line(Event(at=0.25, kind=kind, text="TEXT"), plain) for kind in EVENTS]
    assert len({line.index("TEXT") for line in lines}) == 1


def test_lines_of_several_processes_carry_their_names() -> None:
    item = m.LogItem(process="web.1", lines=("one", "\x1b[2Jtwo"))
    assert render.log_lines(item, plain, prefix=True, terminal=True) == [
        "web.1 | one",
        "web.1 | \\x1b[2Jtwo",
    ]
    assert render.log_lines(item, plain, prefix=False, terminal=False) == ["one", "\x1b[2Jtwo"]


def test_equal_answers_are_shown_together() -> None:
    def reply(name: str, value: str | None, error: str | None = None) -> m.EvaluateReply:
        return m.EvaluateReply(process=name, ok=error is None, value=value, error=error)

    replies = [reply("web.1", "7"), reply("web.2", "8"), reply("web.3", "7"), reply("w.1", None, "a\nb")]
    assert render.grouped([*replies, reply("w.2", None)], plain) == [
        "web.1, web.3: 7",
        "web.2: 8",
        "w.1:",
        "  a",
        "  b",
        "w.2: None",
    ]


def test_failures_that_differ_in_the_evaluation_s_number_alone_are_equal() -> None:
    errors = [f'Traceback:\n  File "<rpc {number}>", line 1' for number in (25, 26)]
    replies = [m.EvaluateReply(process=f"web.{k}", ok=False, error=error) for k, error in enumerate(errors)]
    assert render.grouped(replies, plain) == ["web.0, web.1:", "  Traceback:", '    File "<rpc>", line 1']
