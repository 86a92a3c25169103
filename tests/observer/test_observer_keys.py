"""What keys, clicks and messages do to the observer's state: no terminal, no node."""

import re

import pytest
from msgspec import structs

from limpet_shell.observer.state.history import History
from limpet_shell.observer.state.model import Model, Wish
from limpet_shell.observer.state.series import Series
from limpet_shell.observer.state.table import Column, Row, Table
from limpet_shell.observer.views import chart
from limpet_shell.observer.views.cells import show
from limpet_supervisor.errors import NoSuchProcess
from limpet_supervisor.wire import messages as m
from support.observing import EVENTS, detailed, frozen, metrics, sample, statuses


def press(model: Model, *keys: str) -> Wish | None:
    wish = None
    for key in keys:
        wish = model.press(key)
    return wish


def names(model: Model) -> list[str]:
    assert model.page.table is not None
    return [row.key for row in model.page.table.rows()]


def test_digits_tab_and_arrows_choose_a_page_that_is_asked_at_once() -> None:
    model = Model("shop")
    assert press(model, "3") is Wish.ASK
    assert model.page is model.tasks
    press(model, "tab", "right")
    assert model.page is model.logs
    press(model, "s-tab", "left", "left", "left", "left")
    assert model.page is model.findings
    assert press(model, "q") is Wish.LEAVE


def test_only_the_page_that_is_seen_is_asked_for() -> None:
    model = frozen()
    wanted = []
    for number in range(len(model.pages)):
        model.show(number)
        wanted.append({type(request).__name__ for request in model.requests()})
    assert wanted == [
        {"System", "Sample"},
        {"Sample"},
        {"Inspect", "Status"},
        {"Inspect", "Status"},
        {"Status"},
        {"Status"},
        {"Health", "Status"},
        {"Metrics", "Status"},
        {"Lints", "Status"},
    ]


def test_the_cursor_stays_on_its_row_wherever_that_is_sorted() -> None:
    model = frozen()
    press(model, "2", "m")
    assert names(model)[0] == "db.1"
    press(model, "home")
    assert model.subject() == "db.1"
    press(model, "b")
    assert names(model) == ["db.1", "import.1", "mailer.1", "web.1", "web.2"]
    press(model, "r")
    assert (names(model)[0], model.subject()) == ("web.2", "db.1")
    model.take(sample(31), model.processes)
    assert model.subject() == "db.1"


def test_when_a_row_goes_the_one_that_takes_its_place_is_chosen() -> None:
    model = frozen()
    press(model, "2", "b", "home", "down")
    assert model.subject() == "import.1"
    reply = sample(31)
    left = tuple(each for each in reply.processes if each.name != "import.1")
    model.take(m.SampleReply(reply.at, reply.node, left, reply.figures, 0.0), model.processes)
    assert model.subject() == "mailer.1"


def test_what_is_not_known_comes_last_whichever_way_it_is_sorted() -> None:
    model = frozen()
    press(model, "2", "m")
    assert names(model)[-1] == "mailer.1"
    press(model, "r")
    assert names(model)[-1] == "mailer.1"


def test_a_filter_is_typed_kept_and_taken_back() -> None:
    model = frozen()
    press(model, "2", "/", "w", "e", "b", "x", "backspace")
    assert sorted(names(model)) == ["web.1", "web.2"]
    press(model, "enter", "down")
    assert model.typing is None
    press(model, "escape")
    assert len(names(model)) == 5
    press(model, "/", "q", "escape")
    assert len(names(model)) == 5


def test_enter_opens_a_process_and_escape_goes_back_to_the_same_row() -> None:
    model = frozen()
    press(model, "2", "m", "home")
    assert press(model, "enter") is Wish.ASK
    assert model.detail is not None
    assert model.detail.name == "db.1"
    press(model, "right")
    assert model.detail.current == "Spec"
    assert press(model, "escape") is Wish.ASK
    assert model.page is model.processes
    assert model.subject() == "db.1"


def test_a_section_asks_only_for_what_it_shows() -> None:
    wanted = {}
    for section in ("Info", "Environ", "Stacks", "Tasks", "Log"):
        model = detailed(frozen(), section)
        follows = model.page.follows()
        asked = {type(request).__name__ for request in model.requests()}
        wanted[section] = asked | ({type(follows).__name__} if follows else set())
    assert wanted == {
        "Info": {"InDetail", "Sample", "Vitals"},
        "Environ": {"InDetail", "Status"},
        "Stacks": {"Stacks", "Status"},
        "Tasks": {"Inspect", "Status"},
        "Log": {"Logs", "Status"},
    }


@pytest.mark.parametrize("number", [0, 1, 8])
def test_loops_are_measured_only_while_a_page_that_shows_it_is_seen(number: int) -> None:
    model = frozen()
    model.show(number)
    assert model.page.follows() == m.Vitals(most=64)
    model.show(2)
    assert model.page.follows() is None


@pytest.mark.parametrize("key", ["R", "S", "K"])
def test_what_destroys_is_off_unless_it_is_allowed(key: str) -> None:
    model = frozen()
    press(model, "2", key)
    assert model.asking is None
    assert "--allow-destructive" in model.said


@pytest.mark.parametrize(
    ("key", "name", "request_"),
    [
        ("R", "web.1", m.RestartProcess(name="web.1")),
        ("S", "web.1", m.StopProcess(name="web.1")),
        ("K", "web.1", m.Signal(name="web.1", signal="KILL")),
    ],
)
def test_what_destroys_is_done_after_a_y_and_nothing_else(key: str, name: str, request_: m.Request) -> None:
    model = frozen(destructive=True)
    press(model, "2", "b", "home", "down", "down", "down")
    assert model.subject() == name
    press(model, key, "enter")
    assert model.acting is None
    press(model, key, "y")
    assert model.acting is not None
    assert model.acting.request == request_


def test_paused_it_is_asked_for_nothing_until_it_goes_on() -> None:
    model = frozen()
    assert press(model, "p") is None
    assert model.paused
    assert press(model, "p") is Wish.ASK


def test_no_one_refreshes_more_often_than_twice_a_second() -> None:
    model = Model("shop", interval=0.01)
    assert model.interval == 0.5
    press(model, "-")
    assert model.interval == 0.5
    press(model, "+", "+")
    assert model.interval == 2.0


def test_who_is_costly_to_ask_is_asked_less_often() -> None:
    model = frozen()
    press(model, "2")
    assert model.page.every(2.0) == 2.0
    reply = sample(31)
    model.take(m.SampleReply(reply.at, reply.node, reply.processes, reply.figures, 0.1), model.processes)
    assert model.page.every(2.0) == pytest.approx(10.0)


def test_clicks_choose_pages_rows_and_columns() -> None:
    model = frozen()
    assert model.click("tab", "1") is Wish.ASK
    model.click("sort", "memory")
    assert names(model)[0] == "db.1"
    model.click("row", "2")
    chosen = model.subject()
    assert chosen == names(model)[2]
    assert model.click("row", "2") is Wish.ASK
    assert model.detail is not None
    assert model.detail.name == chosen
    model.click("section", "Log")
    assert model.detail.current == "Log"


def test_other_processes_are_looked_into_by_turns() -> None:
    model = frozen()
    press(model, "3", "]")
    assert model.tasks.process == "web.2"
    press(model, "]")
    assert model.memory.process == "web.2/4390"
    (look,) = [request for request in model.requests() if isinstance(request, m.Inspect)]
    assert (look.what, look.process) == ("tasks", "web.2/4390")


def test_a_look_that_fails_says_why_in_its_place() -> None:
    model = frozen()
    press(model, "3")
    model.take(
        m.EvaluateReply(process="web.1", ok=False, error="Traceback…\nLookupError: no such look"), model.tasks
    )
    assert model.tasks.look.error == "LookupError: no such look"


def test_of_a_process_that_is_no_more_its_page_says_so() -> None:
    model = detailed(frozen(), "Info")
    model.page.failed(NoSuchProcess("There is no process web.1"))
    assert model.detail is not None
    assert "web.1 is no more" in model.detail.gone


def test_scrolling_back_in_a_log_stays_where_it_is_while_lines_come() -> None:
    model = frozen()
    press(model, "5")
    for k in range(100):
        model.logs.item(m.LogItem("web.1", (f"line {k}",)))
    press(model, "pageup")
    seen = [line.text for line in model.logs.lines.window(10)]
    model.logs.item(m.LogItem("web.1", ("another",)))
    assert [line.text for line in model.logs.lines.window(10)] == seen
    press(model, "end")
    assert model.logs.lines.window(10)[-1].text == "another"


def test_levels_of_a_log_are_chosen_by_turns_and_its_past_comes_again() -> None:
    model = frozen()
    press(model, "5")
    before = model.logs.beginnings
    assert press(model, "e") is Wish.ASK
    assert model.logs.beginnings == before + 1
    model.logs.began()
    model.logs.item(m.LogItem("web.1", ("INFO fine", "ERROR bad"), (1.0, 2.0)))
    model.logs.item(m.LogsPast())
    assert [line.text for line in model.logs.lines.all()] == ["ERROR bad"]


def test_shares_of_cpu_are_of_the_time_between_two_samples() -> None:
    history = History()
    for tick in range(3):
        history.add(sample(tick))
    assert history.cpu_of("web.1") == pytest.approx(50.0)
    assert history.change_of("web.1").memory == 2 << 20
    assert history.change_of("mailer.1").restarts == 2
    assert history.cpu_of("mailer.1") is None


def test_the_applications_metrics_come_first_with_their_change_a_second() -> None:
    model = frozen()
    model.metrics.clock += 2.0
    model.take(metrics(40), model.metrics)
    rows = {row.key: row.cells for row in model.metrics.table.rows()}
    assert next(iter(rows)) == 'orders_total{shop="a"}'
    assert rows['orders_total{shop="a"}']["rate"] == pytest.approx(5.0)
    assert rows['orders_total{shop="a"}']["labels"] == "shop=a"
    assert not any("bucket" in key for key in rows)


def test_events_of_another_day_show_their_date() -> None:
    model = frozen()
    event = EVENTS[0].event
    model.events.item(m.EventItem(event=structs.replace(event, at=event.at - 3 * 86400)))
    shown = [row.cells["at"] for row in model.events.table.rows()]
    assert re.fullmatch(r"\d\d-\d\d \d\d:\d\d", shown[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", shown[-1])


def test_a_restarted_process_begins_anew() -> None:
    history = History()
    history.add(sample(0))
    reply = sample(1)
    again = tuple(
        statuses()[0].__class__(**{**_fields(each), "pid": 9999, "uptime": 1.0})
        if each.name == "web.1"
        else each
        for each in reply.processes
    )
    history.add(m.SampleReply(reply.at, reply.node, again, reply.figures, 0.0))
    assert history.change_of("web.1").memory is None


def _fields(status: object) -> dict[str, object]:
    return {name: getattr(status, name) for name in status.__struct_fields__}  # type: ignore[attr-defined]


def test_a_chart_has_a_column_for_each_span_and_blanks_where_nobody_looked() -> None:
    series = Series()
    for at, value in ((10.0, 1.0), (10.5, 3.0), (14.0, 2.0), (30.0, 5.0)):
        series.add(at, value)
    assert series.bins(12, 2.0) == [None, 3.0, 3.0, 2.0, *[None] * 7, 5.0]
    assert chart.chart([None, 0.0, 4.0, 8.0], 2, most=8.0) == ["   █", " ▁██"]
    assert (chart.ceiling([0.3]), chart.ceiling([7.0]), chart.ceiling([0.0], 5.0)) == (0.5, 10.0, 5.0)


def test_columns_never_shrink_and_the_least_important_go_first() -> None:
    table = Table((Column("a", "A"), Column("n", "N", "count", rank=1), Column("text", "TEXT", width=6)))
    table.put([Row("1", {"a": "x" * 10, "n": 1_000_000, "text": "t" * 20})])
    wide = {
        column.key: width
        for column, width in table.layout(
            60, lambda column: len(show(table.rows()[0].cells[column.key], column.unit))
        )
    }
    assert sum(wide.values()) + 2 == 60
    table.put([Row("1", {"a": "x", "n": 1, "text": "t"})])
    assert {column.key: width for column, width in table.layout(60, lambda _: 1)} == wide
    assert [column.key for column, _ in table.layout(14, lambda _: 1)] == ["a", "text"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "bytes", "-"),
        (33_030_144, "bytes", "31.5 MiB"),
        (-2048, "bytes change", "-2 KiB"),
        (0, "change", "0"),
        (12, "change", "+12"),
        (0.0004, "seconds", "0ms"),
        (0.25, "seconds", "250ms"),
        (3.25, "seconds", "3.2s"),
        (7384, "seconds", "2h 3m"),
        (12.34, "percent", "12.3%"),
        (1234567, "count", "1,234,567"),
        (4242, "id", "4242"),
        (True, "", "yes"),
        ([1.0, None, 10.0], "", "▁ █"),
        (["a", "b"], "", "a, b"),
        ("two\nlines", "", "two lines"),
    ],
)
def test_values_are_shown_as_people_read_them(value: object, unit: str, text: str) -> None:
    assert show(value, unit) == text
