"""Looks as commands: what their words ask for, and what is shown of the answer."""

import inspect

import pytest

from limpet.stage1 import looks as in_process
from limpet_shell import control, looks
from limpet_shell.output import plain
from limpet_supervisor.errors import LimpetError, TimedOut, UsageError
from limpet_supervisor.wire import messages as m


def requests(line: str, here: str = "") -> list[m.Request]:
    command, words = control.parse(control.split(line))
    return control.requests(command, words, here)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("tasks", m.Inspect(what="tasks")),
        (
            "tasks web.1 by=coroutine n=5",
            m.Inspect(what="tasks", process="web.1", arguments={"by": "coroutine", "n": 5}),
        ),
        ("tasks filter=12", m.Inspect(what="tasks", arguments={"filter": "12"})),
        ("task 7", m.Inspect(what="task", arguments={"which": "7"})),
        ("task web.1 Task-7", m.Inspect(what="task", process="web.1", arguments={"which": "Task-7"})),
        ("mem web arenas=true", m.Inspect(what="mem", process="web", arguments={"arenas": True})),
        ("growth web.2 seconds=1m", m.Evaluate(source="growth(seconds=60.0)", process="web.2")),
        ("cancel web.1 'a b'", m.Evaluate(source="cancel(which='a b')", process="web.1")),
        (
            "watch web.1 len(carts)==3 seconds=5s",
            m.Evaluate(source="watch(seconds=5.0, expression='len(carts)==3')", process="web.1"),
        ),
        ("watch web.1 a==b", m.Evaluate(source="watch(expression='a==b')", process="web.1")),
    ],
)
def test_a_look_s_words_become_a_request(line: str, wanted: m.Request) -> None:
    assert requests(line) == [wanted]


def test_without_a_name_it_is_asked_of_the_process_that_the_console_is_in() -> None:
    assert requests("tasks", here="web.2") == [m.Inspect(what="tasks", process="web.2")]
    assert requests("tasks web.1", here="web.2") == [m.Inspect(what="tasks", process="web.1")]
    assert requests("collect", here="web.2") == [m.Evaluate(source="collect()", process="web.2")]
    assert requests("ps", here="web.2") == [m.Status()]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tasks colour=red", "tasks does not know colour. say: tasks [NAME] [filter=TEXT] [n=N] [by=TEXT]"),
        ("tasks n=many", "n=many: 'many' is not a number"),
        ("tasks web.1 web.2", "tasks does not know web.2"),
        ("tasks --json", "tasks does not know --json"),
        ("task", "task wants WHICH. say: task [NAME] WHICH"),
        ("mem arenas=perhaps", "arenas=perhaps: 'perhaps' is not true or false"),
        ("growth seconds=soon", "seconds=soon: 'soon' is not a time"),
    ],
)
def test_wrong_words_say_what_is_wanted(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        requests(line)
    assert message in str(caught.value)


@pytest.mark.parametrize("look", looks.LOOKS, ids=lambda look: look.name)
def test_a_look_is_a_function_of_the_process_with_these_options(look: looks.Look) -> None:
    assert look.name in (in_process.TOOLS if look.tool else in_process.LOOKS)
    parameters = inspect.signature(in_process.find(look.name)).parameters
    assert set(look.options) == set(parameters)
    assert [name for name, one in parameters.items() if one.default is one.empty] == (
        [look.takes] if look.takes else []
    )


def test_every_look_is_a_command() -> None:
    """But stacks, which the node can take of a process that does not answer as well."""
    named = {look.name for look in looks.LOOKS if not look.tool}
    assert set(in_process.LOOKS) - named == {"stacks"}
    assert {look.name for look in looks.LOOKS} <= set(control.COMMANDS)


def test_what_it_finds_is_shown_or_why_it_failed() -> None:
    request = m.Inspect(what="tasks")
    found = m.EvaluateReply(process="web.1", ok=True, value="A  B\n1  \x1b[2J", data={"rows": []})
    assert control.show(found, request, plain) == ["A  B", "1  \\x1b[2J"]
    assert looks.facts(found) == {"schema": 1, "process": "web.1", "data": {"rows": []}}
    text = m.EvaluateReply(process="web.1", ok=True, value="3 unreachable objects")
    assert looks.facts(text)["data"] == {"text": "3 unreachable objects"}
    failed = m.EvaluateReply(process="web.1", ok=False, error="Traceback:\n  x\nValueError: by 'colour'")
    with pytest.raises(LimpetError, match=r"web\.1 cannot tell\. by 'colour'"):
        control.show(failed, request, plain)
    late = m.EvaluateReply(process="web.1", ok=False, error="Interrupted", timed_out=True)
    with pytest.raises(TimedOut):
        looks.facts(late)
