"""The commands of `ctl` and of the console, from one table."""

import json
from typing import Any

import pytest

from limpet_shell import cli, control, helping
from limpet_shell.output import plain
from limpet_supervisor.errors import UsageError
from limpet_supervisor.wire import messages as m
from support.told import process, status


def requests(line: str) -> list[m.Request]:
    command, words = control.parse(control.split(line))
    assert command.build is not None
    return command.build(words)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ps", [m.Status()]),
        ("ps web", [m.Status(names=("web",))]),
        ("tree", [m.Tree()]),
        # More than are shown: one of them may be a traceback.
        ("logs", [m.Logs(lines=150)]),
        ("logs web -f -n 3", [m.Logs(names=("web",), lines=115, follow=True)]),
        ("events --last 5", [m.Events(last=5)]),
        ("why web.1", [m.Why(name="web.1")]),
        ("restart web worker", [m.RestartProcess(name="web"), m.RestartProcess(name="worker")]),
        ("stop web.2", [m.StopProcess(name="web.2")]),
        ("start web.2", [m.StartProcess(name="web.2")]),
        ("scale web +1", [m.Scale(name="web", to="+1")]),
        ("scale web 4", [m.Scale(name="web", to="4")]),
        ("signal SIGHUP web", [m.Signal(name="web", signal="HUP")]),
        ("signal 10 web", [m.Signal(name="web", signal="10")]),
        (
            """add echo 'command=["cat", "-u"]' instances=2 restart=temporary""",
            [
                m.AddProcess(
                    name="echo", table={"command": ["cat", "-u"], "instances": 2, "restart": "temporary"}
                )
            ],
        ),
        ("remove echo", [m.RemoveProcess(name="echo")]),
        ("wh web.1", [m.Why(name="web.1")]),
    ],
)
def test_a_command_becomes_requests(line: str, wanted: list[m.Request]) -> None:
    assert requests(line) == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "Which command?"),
        ("frobnicate", "There is no command frobnicate. see: help"),
        ("restrat web", "There is no command restrat. did you mean restart?"),
        ("restart web --jsn", "restart does not know --jsn. say: restart NAME…"),
        ("re web", "re may mean restart, remove"),
        ("restart", "Which process? say: restart NAME…"),
        ("scale web", "scale wants a process and a number"),
        ("scale web lots", "scale wants a process and a number"),
        ("signal HUP", "signal wants a signal and a process"),
        ("logs -n", "-n wants a value"),
        ("logs -n few", "-n wants a number"),
        ("tree web", "tree takes no arguments"),
        ("events web", "events does not know 'web'"),
        ("add echo", "add wants a name and keys"),
        ("add echo command", "'command' is not KEY=VALUE"),
        ("why 'web", "no closing quotation"),
    ],
)
def test_a_wrong_command_says_what_it_wants(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        requests(line)
    assert message in str(caught.value)


def test_help_lists_every_command_with_its_arguments() -> None:
    lines = helping.help_lines(":", plain)
    words = " ".join(lines).split()
    assert {f":{name}" for name in control.COMMANDS} <= set(words)
    assert any(line.startswith("  :scale NAME N|+N|-N") for line in lines)
    assert all(len(line) <= 80 for line in lines)


def test_help_is_an_object_where_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ctl", "help", "scale", "--json"]) == 0
    text = "set the number of a process's instances"
    commands = [{"name": "scale", "arguments": "NAME N|+N|-N", "help": text}]
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "commands": commands}
    assert cli.main(["ctl", "--json", "help"]) == 0
    told = json.loads(capsys.readouterr().out)["commands"]
    assert [each["name"] for each in told] == list(control.COMMANDS)


def test_help_of_a_command_says_all_of_it() -> None:
    wanted = [":scale NAME N|+N|-N", "  set the number of a process's instances"]
    assert helping.help_lines(":", plain, ["scale"]) == wanted
    assert helping.help_lines(":", plain, [":scal"]) == wanted
    with pytest.raises(UsageError, match="There is no command frobnicate"):
        helping.help_lines(":", plain, ["frobnicate"])


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (m.Done(text="web is restarted"), ["web is restarted"]),
        (m.Done(), []),
        (m.StreamEnd(), []),
        (m.StreamEnd(dropped=3), ["(3 lines were dropped: they came faster than they were read)"]),
        (m.LogItem(process="web.1", lines=("x",)), ["x"]),
        (m.LogItem(process="web.2", lines=("x",)), ["web.2 | x"]),
    ],
)
def test_an_answer_becomes_lines(answer: Any, wanted: list[str]) -> None:
    assert control.show(answer, m.Logs(names=("web.1",)), plain) == wanted


def test_a_status_becomes_a_table() -> None:
    assert len(control.show(status(process("web.1")), m.Status(), plain)) == 3
