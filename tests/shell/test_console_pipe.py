"""The console in a pipe, and on a terminal that can do nothing: statements in, answers out."""

import subprocess

from limpet_supervisor.wire import messages as m
from support.command import open_shop
from support.consoles import remote

DUMB = {"TERM": "dumb"}


def test_a_dumb_terminal_gets_a_plain_prompt() -> None:
    with remote(environ=DUMB) as (terminal, _, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send("1 + 1\n")
        terminal.wait_for("<1 + 1>")
        terminal.wait_for("web.1 [2]>")
        terminal.send("for x in y:\n")
        terminal.wait_for("...")
        terminal.send(":quit\n\n:quit\n")
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.raw


def test_on_a_dumb_terminal_ctrl_c_drops_what_was_begun_and_interrupts_what_runs() -> None:
    with remote(environ=DUMB) as (terminal, node, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send("for x in y:\n")
        terminal.wait_for("...")
        terminal.send("\x03")
        terminal.wait_for("web.1 [1]>", 2)
        terminal.send("forever\n")
        terminal.wait_for("it begins")
        terminal.send("\x03")
        evaluate = node.wait_for(m.Evaluate)
        node.wait_for(m.Cancel)
        node.say(evaluate, m.EvaluateReply(process="web.1", ok=False, error="Interrupted", number=1))
        terminal.wait_for("Interrupted")
        terminal.wait_for("web.1 [2]>")


def test_a_statement_that_was_begun_can_be_dropped_by_a_line() -> None:
    """As by #iex:break: nothing else gets out of a bracket that nobody closes."""
    with open_shop() as (place, node):
        done = place.run("remote", input="x = (1,\n#limpet:break\nb\n")
    assert (done.returncode, done.stdout) == (0, "<b>\n")
    assert [each.source for each in node.requests if isinstance(each, m.Evaluate)] == ["b"]


def test_all_in_a_pipe_shows_equal_answers_together() -> None:
    with open_shop() as (place, _):
        done = place.run("remote", input=":all \"a\" + 'b'\n:all web 7\n:all\n")
    assert done.stdout == "web.1, worker.1: <\"a\" + 'b'>\nweb.1: <7>\n"
    assert done.stderr.startswith("limpet: What in every process?")
    assert done.returncode == 2


def test_a_patch_everywhere_is_checked_everywhere_before_it_is_made_anywhere() -> None:
    with open_shop() as (place, node):
        done = place.run("remote", input=":patch --all shop\n")
    assert (done.returncode, done.stderr) == (0, "")
    asked = [(each.source, each.process) for each in node.requests if isinstance(each, m.Evaluate)]
    places = ("web.1", "worker.1")
    sources = ("check_patch(module='shop')", "patch(module='shop')")
    assert asked == [(source, where) for source in sources for where in places]
    titles = ("web.1, checked:", "worker.1, checked:", "web.1:", "worker.1:")
    assert [line for line in done.stdout.splitlines() if line.endswith(":")] == list(titles)


def test_in_a_pipe_statements_are_evaluated_one_after_the_other() -> None:
    program = "a\nfor x in y:\n    print(x)\nb\n:ps\ndef f():\n    pass\n\n\nc\n"
    with open_shop() as (place, node):
        done = place.run("remote", input=program)
    assert done.returncode == 0
    sources = [request.source for request in node.requests if isinstance(request, m.Evaluate)]
    assert sources == ["a", "for x in y:\n    print(x)", "b", "def f():\n    pass", "c"]
    assert done.stdout.startswith("<a>\nprinted\n<b>\nbookshop 1.0.0  running")
    assert done.stderr == "warned\n"


def test_in_a_pipe_a_statement_that_fails_makes_the_exit_code_1() -> None:
    with open_shop() as (place, _):
        done = place.run("remote", input="raise ValueError\nafter\n")
    assert (done.returncode, done.stdout, done.stderr) == (1, "<after>\n", "Traceback…\nValueError: no\n")


def test_in_a_pipe_a_command_that_fails_does_so_too() -> None:
    with open_shop() as (place, _):
        done = place.run("remote", input=":why nobody\n")
    assert (done.returncode, done.stderr) == (1, "limpet: There is no process nobody. there is web\n")


def test_in_a_pipe_quit_leaves_the_rest_alone() -> None:
    with open_shop() as (place, _):
        done = place.run("remote", input="a\n:quit\nb\n")
    assert (done.returncode, done.stdout) == (0, "<a>\n")


def test_a_statement_in_a_pipe_is_answered_before_the_next_is_written() -> None:
    """So that a program can hold a conversation."""
    with (
        open_shop() as (place, _),
        subprocess.Popen(
            place.arguments("remote"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=place.environ,
            text=True,
            bufsize=1,
        ) as console,
    ):
        assert console.stdin is not None
        assert console.stdout is not None
        for question in ("one", "two"):
            console.stdin.write(f"{question}\n")
            assert console.stdout.readline() == f"<{question}>\n"
        console.stdin.close()
        assert console.wait(60) == 0
