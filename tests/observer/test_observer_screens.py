"""Every page of the observer as a terminal shows it, at 80x24 and at 200x60, with a frozen node.

After a change that is meant: LIMPET_GOLDEN=write pytest tests/observer/test_observer_screens.py, and look at
what `git diff` shows.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limpet_shell.observer.state.detail import SECTIONS
from limpet_shell.observer.state.model import Model
from limpet_shell.observer.views.frame import plain
from limpet_shell.observer.views.screen import draw
from limpet_shell.output import width_of
from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError
from support.observing import detailed, frozen, on_screen, text_of

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((80, 24), (200, 60))


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def page(number: int) -> Callable[[], Model]:
    def make() -> Model:
        model = frozen()
        model.show(number)
        return model

    return make


def pressed(*keys: str) -> Callable[[], Model]:
    def make() -> Model:
        model = frozen(destructive=True)
        for key in keys:
            model.press(key)
        return model

    return make


SCREENS: dict[str, Callable[[], Model]] = {
    "system": page(0),
    "processes": page(1),
    "processes-window": pressed("2", "w", "m"),
    "processes-tree": pressed("2", "t"),
    "processes-filter": pressed("2", "/", "w", "e", "b"),
    "tasks": page(2),
    "memory": page(3),
    "logs": page(4),
    "events": page(5),
    "health": page(6),
    "metrics": page(7),
    "lints": page(8),
    "help": pressed("2", "?"),
    "question": pressed("2", "R"),
    **{f"detail-{section.lower()}": (lambda name=section: detailed(frozen(), name)) for section in SECTIONS},
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SCREENS)
def test_a_page_looks_as_it_did(name: str, size: tuple[int, int]) -> None:
    shown = text_of(on_screen(SCREENS[name](), *size))
    path = GOLDEN / f"{name}-{size[0]}x{size[1]}.txt"
    if os.environ.get("LIMPET_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text()


@pytest.mark.parametrize("name", SCREENS)
def test_no_page_needs_a_big_terminal(name: str) -> None:
    model = SCREENS[name]()
    for width, height in ((80, 24), (60, 20), (40, 12), (20, 6), (10, 3), (1, 1)):
        lines = plain(draw(model, width, height))
        assert len(lines) == height
        assert max(map(width_of, lines)) <= width


def test_colours_mean_something_and_a_sign_says_the_same() -> None:
    screen = on_screen(frozen_processes(), 80, 24)
    place = next(k for k, line in enumerate(screen.display) if "mailer.1" in line)
    row = screen.buffer[place]
    assert screen.display[place].startswith("↻ mailer.1")
    assert row[0].fg == "red"
    running = next(k for k, line in enumerate(screen.display) if "db.1" in line)
    assert screen.display[running].startswith("●")
    assert screen.buffer[running][0].fg == "green"


def frozen_processes() -> Model:
    model = frozen()
    model.press("2")
    model.press("G")
    return model


def test_without_colour_there_is_none() -> None:
    screen = on_screen(frozen_processes(), 80, 24, coloured=False)
    assert {char.fg for row in screen.buffer.values() for char in row.values()} == {"default"}
    assert any(char.reverse for row in screen.buffer.values() for char in row.values())


def test_where_unicode_is_not_shown_all_is_ascii() -> None:
    for name in ("processes", "processes-tree", "system", "help"):
        text = text_of(on_screen(SCREENS[name](), 80, 24, unicode=False))
        assert text.isascii()
        assert "mailer" in text or name in ("system", "help")


def test_a_page_that_failed_says_so_and_keeps_what_it_had() -> None:
    model = frozen_processes()
    model.page.failed(LimpetError("The node did not answer in time"))
    text = text_of(on_screen(model, 80, 24))
    assert "✗ The node did not answer in time" in text
    assert "web.1" in text


def test_a_page_that_cannot_be_drawn_costs_none_of_the_others() -> None:
    model = frozen()
    model.system.system = "nonsense"  # type: ignore[assignment]
    assert "this page cannot be drawn" in text_of(on_screen(model, 80, 24))
    model.press("2")
    assert "web.1" in text_of(on_screen(model, 80, 24))


def test_control_characters_of_a_process_never_reach_the_terminal() -> None:
    model = frozen()
    model.press("5")
    text = text_of(on_screen(model, 80, 24))
    assert "refused \\x1b]0;title\\x07" in text


def test_of_a_long_metric_both_ends_are_seen_and_all_of_it_below() -> None:
    model = page(7)()
    name = "sqlalchemy_query_of_the_whole_catalogue_total_time_seconds_sum"
    model.take(messages.MetricsReply(text=f'{name}{{process="web",route="/books"}} 2.5\n'), model.metrics)
    lines = text_of(on_screen(model, 80, 24)).split("\n")
    begin, _, end = lines[4].split()[0].partition("…")
    assert name.startswith(begin)
    assert end.endswith("_sum")
    assert any(line.startswith(f"{name};") for line in lines)
