"""limpet.log: what is logged becomes one JSON object a line, whatever is logged."""

import asyncio
import io
import json
import logging
import logging.config
import math
import re
import sys
import threading

import pytest
import structlog

from limpet import log

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Hostile:
    """Every way in which it could be shown raises."""

    def __repr__(self):
        raise ZeroDivisionError

    __str__ = __repr__


@pytest.fixture
def logger():
    """A logger of its own that writes JSON lines; `lines` of the handler are what they parse to."""
    made = logging.Logger("shop.cart")  # noqa: LOG001 - known to nobody else
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JSONFormatter())
    made.addHandler(handler)
    made.lines = lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    return made


@pytest.fixture
def quiet_root():
    """The root logger as it was before, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_says_what_when_who_and_where(logger):
    logger.warning("sold %d of %s", 3, "dune", extra={"isbn": "978", "left": 2})
    (line,) = logger.lines()
    assert TIME.fullmatch(line["time"])
    assert (line["level"], line["message"], line["logger"]) == ("warning", "sold 3 of dune", "shop.cart")
    assert re.fullmatch(r".*test_log_records\.py:\d+", line["file"])
    assert line["pid"] > 1
    assert (line["isbn"], line["left"]) == ("978", 2)
    assert list(line)[:3] == ["time", "level", "message"]


def test_microseconds_are_carried_over_a_second_and_never_seven_digits():
    record = logging.makeLogRecord({"msg": "x", "created": 1_700_000_000.9999999})
    assert json.loads(log.JSONFormatter().format(record))["time"] == "2023-11-14T22:13:21.000000Z"


def test_what_is_bound_is_in_every_line_of_its_task_and_of_no_other(logger):
    async def request(number):
        with log.bind(request_id=number, user="ann"):
            await asyncio.sleep(0)
            with log.bind(user="bob"):
                logger.error("inner")
            logger.error("outer")

    async def both():
        await asyncio.gather(*(asyncio.create_task(request(k), name=f"request {k}") for k in (1, 2)))

    asyncio.run(both())
    logger.error("outside")
    found = [(line["message"], line.get("request_id"), line.get("user")) for line in logger.lines()]
    assert sorted(found[:-1]) == [
        *(("inner", k, "bob") for k in (1, 2)),
        *(("outer", k, "ann") for k in (1, 2)),
    ]
    assert found[-1] == ("outside", None, None)
    assert {line.get("task") for line in logger.lines()} == {"request 1", "request 2", None}


def test_a_thread_is_named_unless_it_is_the_main_one(logger):
    thread = threading.Thread(target=lambda: logger.error("apart"), name="buyer")
    thread.start()
    thread.join()
    logger.error("here")
    assert [line.get("thread") for line in logger.lines()] == ["buyer", None]


def test_an_exception_with_its_causes_is_one_field(logger):
    try:
        try:
            {}["isbn"]
        except KeyError as error:
            raise ValueError("no such book") from error
    except ValueError:
        logger.exception("cannot sell")
    (line,) = logger.lines()
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert "direct cause" in line["exception"]
    assert line["exception"].endswith("ValueError: no such book")


CIRCLE: dict = {}
CIRCLE["itself"] = CIRCLE


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Hostile(),
        CIRCLE,
        math.nan,
        [math.inf, {1: {2}}],
        {("a", 1): b"\xff", None: Hostile()},
        "\udcff lone",
        "x" * 100_000,
        10**400,
        lambda: None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_extra_is_a_line_of_valid_json_and_raises_nothing(logger, value, capsys):
    logger.error("it", extra={"value": value})
    logger.error("it is %s", value)
    assert [line["level"] for line in logger.lines()] == ["error", "error"]
    assert capsys.readouterr().err == ""  # where logging reports a formatter that raises


def test_the_repr_of_what_json_has_no_form_for_is_bounded(logger):
    logger.error("it", extra={"value": {bytes(10_000)}})
    (line,) = logger.lines()
    assert len(line["value"]) < 1100


def test_arguments_that_do_not_fit_are_shown_and_the_line_is_there(logger, capsys):
    logger.error("%d sold", "three")
    assert logger.lines()[0]["message"].startswith("'%d sold' ('three',) (TypeError")
    assert capsys.readouterr().err == ""


def test_an_extra_replaces_none_of_the_lines_own_fields(logger):
    logger.error("real", extra={"level": "forged", "time": "never", "file": "f"})
    (line,) = logger.lines()
    assert (line["level"], line["level_"], line["time_"], line["file_"]) == ("error", "forged", "never", "f")
    assert TIME.fullmatch(line["time"])


def test_one_line_of_a_dict_config_is_enough():
    stream = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": "limpet.log.JSONFormatter"}},
            "handlers": {
                "out": {"class": "logging.StreamHandler", "formatter": "json", "stream": stream},
            },
            "loggers": {"shop.dict": {"handlers": ["out"], "level": "INFO", "propagate": False}},
        }
    )
    logging.getLogger("shop.dict").info("configured")
    assert json.loads(stream.getvalue())["message"] == "configured"


def test_setup_twice_writes_each_line_once_and_keeps_other_handlers(quiet_root, tmp_path):
    file = logging.FileHandler(tmp_path / "app.log")
    quiet_root.addHandler(file)
    stream = io.StringIO()
    try:
        log.setup("debug", stream=stream)
        log.setup("debug", stream=stream)
        logging.getLogger("shop").debug("once")
        assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["once"]
        assert (tmp_path / "app.log").read_text() == "once\n"
    finally:
        quiet_root.removeHandler(file)
        file.close()


@pytest.mark.parametrize("arguments", [{"level": "loud"}, {"form": "xml"}])
def test_setup_refuses_what_it_does_not_know(quiet_root, arguments):
    before = quiet_root.handlers[:]
    with pytest.raises(ValueError, match=r"found '(loud|xml)'"):
        log.setup(**arguments)
    assert quiet_root.handlers == before


@pytest.mark.usefixtures("quiet_root")
def test_a_terminal_gets_lines_for_a_person(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    colored, plain = Terminal(), Terminal()
    log.setup(stream=colored)
    with log.bind(request_id="4f1c"):
        logging.getLogger("shop").warning("slow", extra={"took": 1.5})
    assert "\x1b[33mWARNING\x1b[0m" in colored.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    log.setup(stream=plain)
    with log.bind(request_id="4f1c"):
        logging.getLogger("shop").warning("slow", extra={"took": 1.5})
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} WARNING shop: slow  request_id=4f1c  took=1\.5\n", plain.getvalue()
    )


def test_structlog_prints_the_same_line():
    stream = io.StringIO()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, log.render],
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    try:
        with log.bind(request_id="4f1c"):
            structlog.get_logger().warning("slow", took=1.5, level="x")
        try:
            int("no")
        except ValueError:
            structlog.get_logger().exception("failed")
    finally:
        structlog.reset_defaults()
    slow, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (slow["level"], slow["message"], slow["took"]) == ("warning", "slow", 1.5)
    assert slow["request_id"] == "4f1c"
    assert TIME.fullmatch(slow["time"])
    assert failed["level"] == "error"
    assert failed["exception"].endswith("with base 10: 'no'")


def test_structlog_over_the_standard_logging_needs_no_more_than_its_own_processor(logger):
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        logger_factory=lambda *_names: logger,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    try:
        structlog.get_logger().error("sold", isbn="978")
    finally:
        structlog.reset_defaults()
    (line,) = logger.lines()
    assert (line["message"], line["isbn"], line["level"]) == ("sold", "978", "error")


def test_nothing_is_imported_before_it_is_asked_for():
    import subprocess

    code = "import limpet, sys; assert 'logging' not in sys.modules; limpet.log.setup; print('limpet.log')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "limpet.log\n"


def test_an_integer_that_python_does_not_write_in_decimal_is_in_hexadecimal(logger):
    logger.warning("factored", extra={"n": 10**5000, "all": {"n": [-(10**5000)]}, "small": 10**500})
    (line,) = logger.lines()
    assert line["n"].startswith("0x")
    assert line["all"]["n"][0].startswith("-0x")
    assert line["small"] == 10**500
