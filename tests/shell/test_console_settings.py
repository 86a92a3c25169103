"""The console's settings, what each does on a terminal, and the status bar."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet_shell.console import settings, statusbar
from limpet_shell.console.model import Model, Place
from limpet_supervisor.model.status import ProcessStatus, State
from limpet_supervisor.wire import messages as m
from support.consoles import remote
from support.told import process

FILE = ".config/limpet/console.toml"


def loaded(path: Path, text: str) -> tuple[settings.Settings, list[str]]:
    """What `text` sets, and what is wrong with it; without the path of the file."""
    file = path / "console.toml"
    file.write_text(text)
    found, problems = settings.load(str(file))
    return found, [problem.removeprefix(f"{file}: ").removeprefix(f"{file} ") for problem in problems]


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    assert settings.load(str(tmp_path / "none")) == (settings.Settings(), [])


def test_everything_can_be_set(tmp_path: Path) -> None:
    text = (
        'theme = "monokai"\nstatus_bar = false\ncompletion = "readline"\nediting = "vi"\n'
        'history_size = 5\ntimeout = "5m"\nstartup = ["~/a.py", "b.py"]\n'
    )
    wanted = settings.Settings("monokai", False, "readline", "vi", 5, "5m", ("~/a.py", "b.py"))
    assert wanted.seconds == 300.0
    assert loaded(tmp_path, text) == (wanted, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("histroy_size = 3", "there is no setting histroy_size; did you mean history_size?"),
        ("status_bar = 1", "status_bar: expected true or false, found 1"),
        ('editing = "ed"', """editing: expected "emacs" or "vi", found 'ed'"""),
        ("history_size = -1", "history_size: expected a number from 0, found -1"),
        ("timeout = 3", 'timeout: expected a duration like "5m", or "infinity", found 3'),
        ('timeout = "soon"', """timeout: expected a duration like "5m", or "infinity", found 'soon'"""),
        ("startup = [1]", "startup: expected a list of paths, found [1]"),
    ],
)
def test_a_mistake_is_told_and_the_rest_holds(tmp_path: Path, text: str, problem: str) -> None:
    found, problems = loaded(tmp_path, f'{text}\ncompletion = "readline"')
    assert problems == [problem]
    assert found == settings.Settings(completion="readline")


def test_a_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    found, (problem,) = loaded(tmp_path, "theme = ")
    assert found == settings.Settings()
    assert problem.startswith("is no TOML: Invalid value")


def test_relative_start_up_files_are_the_project_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    default = settings.Settings()
    assert settings.startup_files(default, "/p") == ("/h/.limpet.py", "/p/.limpet.py")
    assert settings.startup_files(default, "") == ("/h/.limpet.py",)
    assert settings.startup_files(default, "/h") == ("/h/.limpet.py",)


# -- on a terminal --


def test_mistakes_keep_nobody_from_the_console() -> None:
    with remote(files={FILE: 'theme = "monokay"\nstatusbar = 3\n'}, columns=150) as (terminal, _, _):
        terminal.wait_for("there is no setting statusbar; did you mean status_bar?")
        terminal.wait_for("there is no theme monokay; did you mean monokai?")
        terminal.send("1\r")
        terminal.wait_for("<1>")


def test_a_theme_colours_what_is_typed_and_what_is_shown() -> None:
    with remote(files={FILE: 'theme = "monokai"'}, environ={"COLORTERM": ""}) as (terminal, _, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send("1\r")
        terminal.wait_for("web.1 [2]>")
        terminal.send("None\r")
        terminal.wait_for("<None>")
        assert terminal.raw.count(b"38;5;81") >= 2  # monokai's keyword constants


def test_completion_as_readline_does_it() -> None:
    """The common part is inserted; the second Tab lists."""
    with remote(files={FILE: 'completion = "readline"'}) as (terminal, node, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send("x.ap\t")
        terminal.wait_for("x.app")
        terminal.send("\t\t")
        terminal.wait_for("append  apply")
        terminal.send("end\r")
        terminal.wait_for("<x.append>")
        assert node.wait_for(m.Complete).source == "x.ap"


def test_editing_as_vi_does_it() -> None:
    with remote(files={FILE: 'editing = "vi"'}) as (terminal, _, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send("seven nine\x1b")
        terminal.wait_for("-- vi --")
        terminal.send("bD")
        terminal.wait_until_gone("nine")
        terminal.send("\r")
        terminal.wait_for("<seven>")


def test_no_more_inputs_are_kept_than_wanted() -> None:
    with remote(files={FILE: "history_size = 0"}) as (terminal, _, place):
        terminal.wait_for("web.1 [1]>")
        terminal.send("1\r")
        terminal.wait_for("<1>")
        assert not Path(place.directory, "home/.local/state/limpet/bookshop/history").exists()


def test_the_status_bar_is_shown_and_goes_with_f2() -> None:
    with remote() as (terminal, _, _):
        assert "web.1  pid 4242  30.0 MiB  cpu 0%" in terminal.wait_for("cpu 0%").splitlines()[-1]
        terminal.send("\x1bOQ")
        terminal.wait_until_gone("cpu 0%")
        terminal.send("\x1bOQ")
        terminal.wait_for("cpu 0%")


def test_without_a_status_bar_nothing_is_asked_for_it() -> None:
    with remote(files={FILE: "status_bar = false"}) as (terminal, node, _):
        terminal.wait_for("web.1 [1]>")
        terminal.send("1\r")
        terminal.wait_for("web.1 [2]>")
        assert not any(isinstance(request, m.Status) for request in node.requests)


def test_on_a_narrow_terminal_the_prompt_is_short_and_the_bar_keeps_to_its_line() -> None:
    with remote(columns=40, lines=20) as (terminal, _, _):
        terminal.wait_for("cpu 0%")
        assert terminal.text.splitlines()[-1] == "web.1  pid 4242  30.0 MiB  cpu 0%"
        assert "\nweb.1 [1]>" in terminal.text


# -- the bar by itself --


def bar(status: ProcessStatus | None = None, *, stale: bool = False) -> statusbar.StatusBar:
    """A bar of web.1, which is so."""
    model = Model("bookshop", "host")
    model.moved(Place("web.1", 4242, "3.11.7", 1))
    model.stale = stale
    made = statusbar.StatusBar(model, looking([status]), lambda: None, shown=True)
    if status is not None:

        async def look() -> None:
            watching = asyncio.ensure_future(made.watch())
            for _ in range(3):
                await asyncio.sleep(0)
            watching.cancel()

        asyncio.run(look())
    return made


def looking(
    found: list[ProcessStatus | None],
) -> Callable[[str], "asyncio.Future[ProcessStatus | None]"]:
    """Answers with those, one after the other."""

    def ask(_instance: str) -> "asyncio.Future[ProcessStatus | None]":
        answer: asyncio.Future[ProcessStatus | None] = asyncio.get_running_loop().create_future()
        answer.set_result(found.pop(0) if found else None)
        return answer

    return ask


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (bar(process("web.1")), "web.1  pid 4242  30.0 MiB  cpu 0%"),
        (
            bar(process("web.1", restarts=2, consoles=3, lag=0.0123)),
            "web.1  pid 4242  30.0 MiB  cpu 0%  lag 12ms  restarts 2  3 consoles",
        ),
        (
            bar(process("web.1", ready=False, cpu=None, memory=None)),
            "web.1  pid 4242  not ready",
        ),
        (bar(process("web.1", state=State.STOPPING, memory=None, cpu=None)), "web.1  pid 4242  stopping"),
        (bar(process("web.2")), "web.1  pid 4242"),
        (bar(stale=True), "web.1 has ended; waiting for the next"),
    ],
)
def test_what_the_bar_says(made: statusbar.StatusBar, wanted: str) -> None:
    assert "".join(text for _, text in made.line(200)).rstrip() == wanted


@pytest.mark.parametrize("width", [4, 20, 30, 39, 40])
def test_what_does_not_fit_into_the_bar_is_left_out_from_the_end(width: int) -> None:
    shown = "".join(text for _, text in bar(process("web.1")).line(width))
    assert len(shown) == width
    assert "web.1  pid 4242  30.0 MiB  cpu 0%".startswith(shown.rstrip())


def test_when_nobody_types_nothing_is_asked_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that was left open costs nothing; the next key brings the figures back."""
    now = 0.0
    asked = []

    async def watched() -> None:
        nonlocal now
        model = Model("bookshop", "host")
        model.moved(Place("web.1", 4242, "3.11.7", 1))
        changed = asyncio.Event()

        async def ask(instance: str) -> ProcessStatus:
            asked.append(now)
            return process(instance, cpu=float(len(asked)))

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds

        monkeypatch.setattr(statusbar.time, "monotonic", lambda: now)
        monkeypatch.setattr(statusbar.asyncio, "sleep", sleep)
        made = statusbar.StatusBar(model, ask, changed.set, shown=True)
        watching = asyncio.ensure_future(made.watch())
        while not asked or "cpu" in "".join(text for _, text in made.line(80)):
            changed.clear()
            await changed.wait()
        assert statusbar.AWAKE - statusbar.EVERY <= asked[-1] <= statusbar.AWAKE
        asleep = now
        made.touch()
        changed.clear()
        await changed.wait()
        assert asleep in asked
        watching.cancel()

    asyncio.run(watched())
