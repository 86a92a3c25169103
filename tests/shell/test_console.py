"""The console on a real terminal, against a scripted node."""

import pathlib
from collections.abc import Iterator

import pytest

from limpet_supervisor.model.stacks import ProcessProfile, Rung
from limpet_supervisor.model.status import Event
from limpet_supervisor.wire import messages as m
from support.command import shop
from support.consoles import Console, remote
from support.fake_node import FakeNode
from support.terminal import Terminal
from support.told import answers, process, status


@pytest.fixture
def console() -> Iterator[Console]:
    with remote() as made:
        made.terminal.wait_for("web.1 [1]>")
        yield made


def test_it_greets_with_the_node_and_the_process(console: Console) -> None:
    terminal, _, _ = console
    text = terminal.wait_for("[1]>")
    assert "bookshop 1.0.0, pid " in text
    assert "web.1: pid 4242, Python 3.11.7, 1 running loop" in text


def test_a_value_is_shown_and_the_prompt_counts(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("1 + 1\r")
    terminal.wait_for("<1 + 1>")
    terminal.wait_for("web.1 [2]>")
    request = node.wait_for(m.Evaluate)
    assert (request.process, request.source) == ("web.1", "1 + 1")
    assert request.session


def test_what_is_printed_and_tracebacks_are_shown(console: Console) -> None:
    terminal, _, _ = console
    terminal.send("print('x')\r")
    terminal.wait_for("printed\nwarned\n")
    terminal.send("raise ValueError\r")
    terminal.wait_for("ValueError: no")


def test_a_traceback_names_inputs_as_the_prompt_does(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("forever()\r")
    request = node.wait_for(m.Evaluate)
    error = f'  File "<console {request.session} 1>", line 1\nValueError: no\n'
    node.say(request, m.EvaluateReply(process="web.1", ok=False, error=error, number=1))
    terminal.wait_for('File "<console 1>", line 1')


def test_of_what_is_abandoned_it_says_where_it_is_listed(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("forever()\r")
    reply = m.EvaluateReply(process="web.1", ok=False, error="not waited for", abandoned="sleep", number=1)
    node.say(node.wait_for(m.Evaluate), reply)
    terminal.wait_for("(jobs() says whether it still runs)")


def test_of_a_coroutine_it_says_that_nothing_has_awaited_it(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("forever()\r")
    reply = m.EvaluateReply(process="web.1", ok=True, value="<coroutine …>", type="coroutine", number=1)
    node.say(node.wait_for(m.Evaluate), reply)
    terminal.wait_for("(nothing has awaited it: say await …)")


def test_the_table_of_a_look_is_as_wide_as_the_terminal(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("forever()\r")
    long = "a" * 60 + "b" * 60
    data = {"rows": [{"at": long, "n": 1}], "columns": ["at", "n"]}
    value = f"{'AT':<120}  N\n{long}  1"
    node.say(node.wait_for(m.Evaluate), m.EvaluateReply(process="web.1", ok=True, value=value, data=data))
    assert "aaa…bbb" in terminal.wait_for("bbb  1\n")


def test_a_block_goes_on_until_the_process_says_it_is_complete(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("def f(x):\r")
    terminal.wait_for("...")
    terminal.send("return x\r")
    terminal.wait_for("...", 2)
    terminal.send("\r")
    request = node.wait_for(m.Evaluate)
    assert request.source == "def f(x):\n    return x"


def test_keys_typed_right_after_enter_do_not_overtake_it(console: Console) -> None:
    """As they do when somebody pastes into a terminal without bracketed paste."""
    terminal, node, _ = console
    terminal.send("x1\rx2\r:help\rx3\r")
    node.wait_for(m.Evaluate, 3)
    sources = [request.source for request in node.requests if isinstance(request, m.Evaluate)]
    assert sources == ["x1", "x2", "x3"]


def test_a_paste_is_one_input_with_its_own_indentation(console: Console) -> None:
    terminal, node, _ = console
    program = "if x:\n    if y:\n        z\n\n    w"
    terminal.paste(program)
    terminal.wait_for("w")
    terminal.send("\r\r")
    request = node.wait_for(m.Evaluate)
    assert request.source.rstrip() == program


def test_pasted_tabs_are_shown_as_spaces_and_stay_tabs(console: Console) -> None:
    terminal, node, _ = console
    terminal.paste("if x:\n\ty")
    terminal.wait_for("...     y")
    terminal.send("\r\r")
    request = node.wait_for(m.Evaluate)
    assert request.source.rstrip() == "if x:\n\ty"


def test_tab_offers_what_the_process_knows(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("x.ap\t")
    terminal.wait_for("append")
    terminal.wait_for("apply")
    assert node.wait_for(m.Complete).source == "x.ap"


def test_tab_at_the_margin_indents(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("if x:\r")
    terminal.wait_for("...")
    terminal.send("\t\x7fpass\r")
    terminal.wait_for("...", 2)
    terminal.send("\r")
    request = node.wait_for(m.Evaluate)
    assert request.source == "if x:\n    pass"
    assert not any(isinstance(each, m.Complete) for each in node.requests)


def test_commands_complete_to_themselves_and_to_names(console: Console) -> None:
    terminal, node, _ = console
    terminal.send(":resta\t")
    terminal.wait_for(":restart")
    terminal.send(" wor\t")
    terminal.wait_for(":restart worker")
    terminal.send("\r")
    request = node.wait_for(m.RestartProcess)
    assert request.name == "worker"
    terminal.wait_for("is restarted")


def test_after_use_what_is_below_a_process_and_has_an_agent_is_completed() -> None:
    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Status):
            yield status(process("web.1", agents=("web.1", "web.1/4711")))
        else:
            yield from answers(request)

    with remote(script=script) as (terminal, node, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send(":use web.1/\t")
        terminal.wait_for(":use web.1/4711")
        terminal.send("\r")
        request = node.wait_for(m.Attach, 2)
    assert request.process == "web.1/4711"


def test_inside_a_call_its_signature_is_shown(console: Console) -> None:
    terminal, _, _ = console
    terminal.send("f(")
    terminal.wait_for("f(x, y)   Adds.")
    terminal.send("\x15")
    terminal.wait_until_gone("f(x, y)")


def test_ctrl_c_clears_the_line(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("never run")
    terminal.wait_for("never run")
    terminal.send("\x03")
    terminal.wait_for("web.1 [1]>", 2)
    terminal.send("seven\r")
    terminal.wait_for("<seven>")
    assert [r.source for r in node.requests if isinstance(r, m.Evaluate)] == ["seven"]


def test_ctrl_c_interrupts_an_evaluation(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("forever\r")
    terminal.wait_for("it begins")
    terminal.send("\x03")
    evaluate = node.wait_for(m.Evaluate)
    node.wait_for(m.Cancel)
    reply = m.EvaluateReply(process="web.1", ok=False, error="Interrupted", interrupted=True, number=1)
    node.say(evaluate, reply)
    terminal.wait_for("Interrupted")
    terminal.wait_for("web.1 [2]>")


def test_keys_typed_ahead_wait_for_the_next_prompt(console: Console) -> None:
    """Ctrl-D among them, which the kernel would keep to itself in its line mode."""
    terminal, node, _ = console
    terminal.send("forever\r")
    terminal.wait_for("it begins")
    terminal.send("ahead\r\x04")
    evaluate = node.wait_for(m.Evaluate)
    node.say(evaluate, m.EvaluateReply(process="web.1", ok=True, number=1))
    terminal.wait_for("<ahead>")
    assert terminal.wait() == 0


def test_a_signal_to_end_leaves_the_terminal_as_it_was(console: Console) -> None:
    terminal, _, _ = console
    terminal.send("forever\r")
    terminal.wait_for("it begins")
    terminal.terminate()
    assert terminal.wait() == 0
    assert terminal.echoes


def test_ctrl_c_right_after_enter_interrupts_what_enter_began(console: Console) -> None:
    """Before the evaluation has begun there is nothing to interrupt, and yet it must not be lost."""
    terminal, node, _ = console
    for count in range(1, 6):
        terminal.send("forever\r\x03")
        evaluate = node.wait_for(m.Evaluate, count)
        node.wait_for(m.Cancel, count)
        node.say(evaluate, m.EvaluateReply(process="web.1", ok=False, error="Interrupted", number=count))
        terminal.wait_for(f"web.1 [{count + 1}]>")


@pytest.mark.parametrize("words", ["exit()\r", "quit\r", ":quit\r", "\x04"])
def test_leaving_only_detaches(console: Console, words: str) -> None:
    terminal, node, _ = console
    terminal.send(words)
    assert terminal.wait() == 0
    node.wait_for(m.Detach)
    assert not any(isinstance(request, m.StopNode | m.Evaluate) for request in node.requests)


def test_a_command_is_the_nodes_and_never_the_applications(console: Console) -> None:
    terminal, node, _ = console
    terminal.send(":ps\r")
    terminal.wait_for("worker.1  running")
    terminal.send(":frobnicate\r")
    terminal.wait_for("There is no command frobnicate")
    terminal.send(":why nobody\r")
    terminal.wait_for("There is no process nobody")
    assert not any(isinstance(request, m.Evaluate) for request in node.requests)


def test_use_moves_the_session(console: Console) -> None:
    terminal, node, _ = console
    terminal.send(":use worker.1\r")
    terminal.wait_for("worker.1 [1]>")
    terminal.send("here\r")
    terminal.wait_for("<here>")
    assert node.wait_for(m.Evaluate).process == "worker.1"


def test_all_asks_everywhere_and_groups_the_answers(console: Console) -> None:
    terminal, _, _ = console
    terminal.send(":all \"a\" + 'b'\r")
    terminal.wait_for("web.1, worker.1: <\"a\" + 'b'>")


def test_ctrl_c_while_a_patch_is_checked_patches_nothing(console: Console) -> None:
    terminal, node, _ = console
    node.script = lambda request: iter(()) if isinstance(request, m.Evaluate) else answers(request)
    terminal.send(":patch --all shop\r")
    check = node.wait_for(m.Evaluate)
    assert check == m.Evaluate(source="check_patch(module='shop')", process="web.1")
    terminal.send("\x03")
    terminal.wait_for("web.1 [1]>", 2)
    terminal.send(":ps\r")
    node.wait_for(m.Cancel)
    terminal.wait_for("RESTARTS")
    assert [each for each in node.requests if isinstance(each, m.Evaluate)] == [check]


def test_ctrl_c_ends_a_profile_with_what_there_is_and_it_is_saved(console: Console) -> None:
    terminal, node, place = console
    terminal.send(f":profile web.1 60s -o {place.directory}/here.txt\r")
    asked = node.wait_for(m.Profile)
    terminal.send("\x03")
    node.wait_for(m.Cancel)
    counted = ((("main (app.py:1)", "work (app.py:2)"), 7),)
    node.say(
        asked, m.ProfileReply(profiles=(ProcessProfile("web.1", 1, Rung.PY_SPY, 100.0, 0.1, 7, counted),))
    )
    terminal.wait_for("here.txt (collapsed)")
    assert pathlib.Path(place.directory, "here.txt").read_text() == "main (app.py);work (app.py) 7\n"


def test_logs_are_followed_until_ctrl_c(console: Console) -> None:
    terminal, node, _ = console
    node.script = lambda request: iter(()) if isinstance(request, m.Logs) else answers(request)
    terminal.send(":logs -f web\r")
    logs = node.wait_for(m.Logs)
    node.say(logs, m.LogsPast())
    node.say(logs, m.LogItem(process="web.1", lines=("a line",)))
    terminal.wait_for("web.1 | a line")
    terminal.send("\x03")
    terminal.wait_for("web.1 [1]>", 2)
    node.wait_for(m.Cancel)


def test_help_lists_commands_and_helpers(console: Console) -> None:
    terminal, _, _ = console
    terminal.send(":help\r")
    text = terminal.wait_for("Ctrl-D leaves, and everything goes on.")
    assert ":scale NAME N|+N|-N" in text
    assert "v(n), Out[n]" in text
    terminal.send(":help logs\r")
    terminal.wait_for(":logs [NAME…] [-f] [-n N] ")


def test_a_restart_of_the_process_is_said_and_the_session_goes_on_in_the_new_one(console: Console) -> None:
    terminal, node, _ = console
    events = node.wait_for(m.Events)

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Attach):
            yield m.AttachReply(process="web.1", pid=5555, python="3.11.7", argv=())
        else:
            yield from answers(request)

    node.script = script
    node.say(events, m.EventItem(event=Event(at=0, kind="exited", process="web.1", text="web.1 was killed")))
    terminal.wait_for("web.1 was killed")
    terminal.wait_for("web.1: pid 5555")
    terminal.wait_for("the session's variables went with its process")


def test_a_restarted_process_is_left_alone_until_it_is_ready(console: Console) -> None:
    """What its start-up file looks for may not be loaded before."""
    terminal, node, _ = console
    events = node.wait_for(m.Events)
    ready = False

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Attach):
            yield m.AttachReply(process="web.1", pid=5555, python="3.11.7", argv=())
        elif isinstance(request, m.Status):
            yield status(process("web.1", ready=ready))
        else:
            yield from answers(request)

    node.script = script
    asked = sum(isinstance(each, m.Status) for each in node.requests)
    node.say(events, m.EventItem(event=Event(at=0, kind="exited", process="web.1", text="web.1 was killed")))
    node.wait_for(m.Status, asked + 5)
    assert sum(isinstance(each, m.Attach) for each in node.requests) == 1
    ready = True
    terminal.wait_for("web.1: pid 5555")


def test_for_a_worker_that_has_ended_the_next_one_is_found() -> None:
    """And what was meant for the one is not evaluated in the other."""

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        match request:
            case m.Evaluate(process="web.1/4711"):
                yield m.Failure(error="NoSuchProcess", what="There is no agent in web.1/4711")
            case m.Attach(process="web.1"):
                yield m.AttachReply("web.1", 4242, "3.11.7", (), others=("web.1/4712", "web.1/4713"))
            case m.Attach(process=name):
                pid = int(name.partition("/")[2])
                yield m.AttachReply(process=name, pid=pid, python="3.11.7", argv=())
            case _:
                yield from answers(request)

    with remote("--process", "web.1/4711", script=script) as (terminal, node, _):
        terminal.wait_for("web.1/4711 [1]>")
        terminal.send("drop()\r")
        terminal.wait_for("web.1/4711 has ended: this was not evaluated")
        terminal.wait_for("web.1/4713 [1]>")
        terminal.send("seven\r")
        terminal.wait_for("<seven>")
        sources = [(each.process, each.source) for each in node.requests if isinstance(each, m.Evaluate)]
    assert sources == [("web.1/4711", "drop()"), ("web.1/4713", "seven")]


def test_what_takes_long_is_shown_to_run(console: Console) -> None:
    terminal, node, _ = console
    node.script = lambda request: iter(()) if isinstance(request, m.Evaluate) else answers(request)
    terminal.send("long()\r")
    terminal.wait_for("s of 30s; Ctrl-C interrupts it")
    node.say(node.wait_for(m.Evaluate), m.EvaluateReply(process="web.1", ok=True, value="done", number=1))
    terminal.wait_for("\ndone\n")
    assert "of 30s" not in terminal.text


def test_an_evaluation_that_has_stalled_the_process_is_told(console: Console) -> None:
    terminal, node, _ = console
    node.script = lambda request: iter(()) if isinstance(request, m.Evaluate) else answers(request)
    terminal.send("stall()\r")
    reply = m.EvaluateReply(process="web.1", ok=True, value="done", stalled=0.82, number=1)
    node.say(node.wait_for(m.Evaluate), reply)
    terminal.wait_for("(this stalled web.1 for 0.8s)")


def test_ctrl_d_behind_an_input_leaves_the_second_time(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("precious\x04")
    terminal.wait_for("Ctrl-D again leaves")
    terminal.send("\x04")
    assert terminal.wait() == 0
    assert not any(isinstance(request, m.Evaluate) for request in node.requests)


def test_five_hundred_pasted_lines_are_one_input(console: Console) -> None:
    terminal, node, _ = console
    program = "def f(x):\n" + "".join(f"    if x == {k}:\n        return {k}\n" for k in range(250))
    terminal.paste(program)
    terminal.wait_for("return 249")
    terminal.send("\r\r")
    request = node.wait_for(m.Evaluate)
    assert request.source.rstrip() == program.rstrip()


def test_what_the_menu_has_chosen_is_told(console: Console) -> None:
    terminal, node, _ = console
    terminal.send("x.ap\t")
    terminal.wait_for("apply")
    terminal.send("\t")
    terminal.wait_for("f(x, y)   Adds.")
    assert node.wait_for(m.Signature).name


def test_the_use_of_a_command_is_shown_while_it_is_typed(console: Console) -> None:
    terminal, _, _ = console
    terminal.send(":sc")
    terminal.wait_for(":scale NAME N|+N|-N   set the number")
    terminal.send("\x15:signal H\t")
    terminal.wait_for(":signal HUP")
    terminal.send("\x15:logs -\t")
    terminal.wait_for("-f")


def test_the_prompt_outlives_the_node(console: Console) -> None:
    terminal, node, _ = console
    node.stop()
    terminal.wait_for("bookshop went away")
    terminal.send("1\r")
    terminal.wait_for("bookshop is not running")
    with FakeNode(node.directory, answers):
        terminal.wait_for("bookshop is there again")
        terminal.send("seven\r")
        terminal.wait_for("<seven>")
        terminal.send("\x04")
        assert terminal.wait() == 0


def test_a_completer_that_fails_does_not_hurt_the_prompt(console: Console) -> None:
    terminal, node, _ = console

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Complete | m.Check | m.Signature):
            yield m.Failure(error="LimpetError", what="web.1 did not answer")
        else:
            yield from answers(request)

    node.script = script
    terminal.send("len(a\t")
    node.wait_for(m.Complete)
    terminal.send(")\r")
    terminal.wait_for("<len(a)>")


def test_the_history_is_there_the_next_time(console: Console) -> None:
    terminal, _, place = console
    terminal.send("remembered\r")
    terminal.wait_for("<remembered>")
    terminal.send("\x04")
    assert terminal.wait() == 0
    with Terminal(place.arguments("remote"), place.environ) as again:
        again.wait_for("[1]>")
        again.send("\x1b[A")
        again.wait_for("[1]> remembered")


def test_start_up_files_are_run_where_the_session_comes() -> None:
    with remote(files={".limpet.py": "from bookshop import everything\n"}) as (terminal, node, _):
        terminal.wait_for("web.1 [2]>")
        assert node.wait_for(m.Evaluate).source == "from bookshop import everything\n"


def test_without_colour_there_are_no_colours() -> None:
    with remote(environ={"NO_COLOR": "1"}) as (terminal, _, _):
        terminal.wait_for("[1]>")
        terminal.send("raise\r")
        terminal.wait_for("ValueError: no")
        terminal.wait_for("cpu 0%")
        assert b"\x1b[31m" not in terminal.raw
        assert b"\x1b[32m" not in terminal.raw
        assert b"\x1b[90m" not in terminal.raw


def without_agents(request: m.Request) -> Iterator[m.Item | m.Reply]:
    if isinstance(request, m.Attach):
        yield m.Failure(error="LimpetError", what="No process has an agent")
    else:
        yield from answers(request)


def test_a_node_whose_processes_have_no_agent_still_takes_commands() -> None:
    with remote(script=without_agents) as (terminal, _, _):
        terminal.wait_for("No process has an agent")
        terminal.send(":ps\r")
        terminal.wait_for("worker.1  running")


def test_a_process_that_is_asked_for_and_has_no_agent_is_an_error() -> None:
    with remote("--process", "web", script=without_agents) as (terminal, _, _):
        terminal.wait_for("limpet: No process has an agent")
        assert terminal.wait() == 1


def test_without_a_node_there_is_no_console() -> None:
    with shop() as place, Terminal(place.arguments("remote"), place.environ) as terminal:
        terminal.wait_for("limpet: bookshop is not running")
        assert terminal.wait() == 69


def test_in_a_narrow_terminal_what_it_says_goes_on_between_words() -> None:
    with remote(columns=40) as made:
        text = made.terminal.wait_for("[1]>")
        assert "Python 3.11.7, 1\nrunning loop\n" in text
