"""Levels of loggers in live processes: the words of `level`, and its table."""

from typing import Final

from limpet_shell import output
from limpet_shell.render import Paint
from limpet_supervisor.errors import UsageError
from limpet_supervisor.model.units import Duration, format_duration
from limpet_supervisor.wire.messages import Level, LevelReply, LoggerLevel

USAGE: Final = "level NAME [LOGGER LEVEL|reset [TIME]]"
_RESET: Final = "reset"


def request(words: list[str]) -> Level:
    """`web` lists; `web shop.db debug 60s` sets; `web shop.db reset` or `web reset` puts back.

    Raises:
        UsageError: they mean nothing.
    """
    match words:
        case [process]:
            return Level(process=process)
        case [process, "reset"]:
            return Level(process=process, level=_RESET)
        case [process, logger, level]:
            return Level(process=process, logger=_logger(logger), level=level)
        case [process, logger, level, time]:
            try:
                seconds = float(Duration.parse(time))
            except ValueError as error:
                raise UsageError(f"{time!r} is no time", str(error), f"say: {USAGE}") from None
            return Level(process=process, logger=_logger(logger), level=level, seconds=seconds)
    raise UsageError("level wants a process, and a logger with a level", todo=f"say: {USAGE}")


def _logger(name: str) -> str:
    """The root logger has no name."""
    return "" if name == "root" else name


def level_lines(reply: LevelReply, paint: Paint) -> list[str]:
    """A table, and what failed."""
    rows = [(line.process, line.logger, line.level, _note(line)) for line in _grouped(reply.loggers)]
    lines = output.table(("PROCESS", "LOGGER", "LEVEL", ""), rows, color=paint) if rows else []
    if not rows and not reply.failures:
        lines.append("nothing was changed")
    lines += [paint(f"{name}: {why}", "red") for name, why in reply.failures.items()]
    return lines


def _grouped(loggers: tuple[LoggerLevel, ...]) -> tuple[LoggerLevel, ...]:
    """In the order of the loggers, each in all processes."""
    return tuple(sorted(loggers, key=lambda line: (line.logger != "root", line.logger)))


def _note(line: LoggerLevel) -> str:
    parts = []
    if line.left is not None:
        parts.append(f"for {format_duration(line.left)}, then {line.before}")
    if line.note:
        parts.append(line.note)
    return "; ".join(parts)
