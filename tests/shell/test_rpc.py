"""`rpc`: an expression, a function or a program in one live process, or in all of them."""

import json
import signal
import subprocess
from collections.abc import Iterator

from limpet_supervisor.wire import messages as m
from support.command import BOUND, Shops, open_shop
from support.told import answers, process, status, telling


def test_rpc_prints_the_repr_of_a_value(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("rpc", "1 + 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "<1 + 1>\n", "")


def test_rpc_passes_on_what_is_printed_to_either_stream(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("rpc", "print('printed')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "printed\n", "warned\n")


def test_rpc_that_raises_exits_1_with_the_traceback_on_stderr(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("rpc", "raise ValueError")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Traceback…\nValueError: no\n")


def test_rpc_calls_a_function_with_strings(bookshop: Shops) -> None:
    place, node = bookshop
    done = place.run("rpc", "bookshop.tasks:reprice", "978", "1200", "--process", "worker", "--timeout", "1m")
    assert done.stdout == "bookshop.tasks:reprice('978', '1200')\n"
    assert node.wait_for(m.Call) == m.Call(
        function="bookshop.tasks:reprice", arguments=("978", "1200"), process="worker", timeout=60.0
    )


def test_rpc_reads_a_program_from_standard_input(bookshop: Shops) -> None:
    place, node = bookshop
    place.run("rpc", "-", input="x = 1\nprint(x)\n")
    request = node.wait_for(m.Evaluate)
    assert request.source == "x = 1\nprint(x)\n"


def test_rpc_of_an_expression_takes_no_arguments(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("rpc", "f(1)", "2")
    assert done.returncode == 2
    assert "Only module:function takes arguments" in done.stderr


def test_rpc_json_holds_output_and_value(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("rpc", "--json", "1 + 1")
    assert json.loads(done.stdout) == {
        "schema": 1,
        "process": "web.1",
        "ok": True,
        "value": "<1 + 1>",
        "stdout": "",
        "stderr": "",
        "error": None,
        "timed_out": False,
        "elapsed": 0.25,
        "stalled": 0.0,
        "data": None,
    }
    printed = place.run("rpc", "--json", "print()")
    assert json.loads(printed.stdout)["stdout"] == "printed\n"
    failed = place.run("rpc", "--json", "raise")
    assert (failed.returncode, json.loads(failed.stdout)["error"]) == (1, "Traceback…\nValueError: no\n")


def test_rpc_all_asks_every_process_with_an_agent() -> None:
    processes = (process("web.1"), process("nginx.1", agent="none"), process("worker.1"))
    with open_shop(telling(*processes)) as (place, _):
        plain = place.run("rpc", "--all", "print()")
        facts = json.loads(place.run("rpc", "--all", "--json", "7").stdout)
    assert plain.stdout == "web.1 | printed\nworker.1 | printed\n"
    assert [(each["process"], each["value"]) for each in facts] == [("web.1", "<7>"), ("worker.1", "<7>")]


def test_rpc_all_shows_equal_answers_together_and_failures_apart() -> None:
    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        match request:
            case m.Status():
                yield status(*map(process, ("web.1", "web.2", "worker.1")))
            case m.Evaluate(process="worker.1"):
                yield m.EvaluateReply(process="worker.1", ok=False, error="Traceback…\nValueError: no\n")
            case m.Evaluate(process=name):
                yield m.EvaluateReply(process=name, ok=True, value="7")
            case _:
                yield from answers(request)

    with open_shop(script) as (place, _):
        done = place.run("rpc", "--all", "7")
        some = place.run("rpc", "--all", "--process", "web", "7")
        nobody = place.run("rpc", "--all", "--process", "nobody", "7")
    assert (done.returncode, done.stdout) == (1, "web.1, web.2: 7\n")
    assert done.stderr == "worker.1:\n  Traceback…\n  ValueError: no\n"
    assert (some.returncode, some.stdout) == (0, "web.1, web.2: 7\n")
    assert nobody.stderr == "limpet: There is no process nobody. there are web, worker\n"


def test_rpc_all_does_not_wait_for_a_process_that_is_stuck() -> None:
    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if not (isinstance(request, m.Evaluate) and request.process == "worker.1"):
            yield from answers(request)

    with open_shop(script) as (place, node):
        done = place.run("rpc", "--all", "--timeout", "100ms", "7")
        node.wait_for(m.Cancel)
    assert (done.returncode, done.stdout) == (75, "web.1: <7>\n")
    assert done.stderr == "worker.1: no answer within 0.1s, nor to its interruption\n"


def test_rpc_all_without_any_agent_says_so() -> None:
    with open_shop(telling(process("nginx.1", agent="none"))) as (place, _):
        done = place.run("rpc", "--all", "7")
    assert (done.returncode, done.stderr) == (1, "limpet: No process has an agent. see: status\n")


def test_ctrl_c_interrupts_the_evaluation_and_then_exits_130() -> None:
    with (
        open_shop() as (place, node),
        subprocess.Popen(
            place.arguments("rpc", "forever"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=place.environ,
            text=True,
        ) as command,
    ):
        assert command.stdout is not None
        assert command.stdout.readline() == "it begins\n"
        command.send_signal(signal.SIGINT)
        node.wait_for(m.Cancel)
        evaluate = node.wait_for(m.Evaluate)
        reply = m.EvaluateReply(process="web.1", ok=False, error="Interrupted\n", interrupted=True)
        node.say(evaluate, reply)
        _, error = command.communicate(timeout=BOUND)
    assert (command.returncode, error) == (130, "Interrupted\n")
