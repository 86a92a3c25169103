"""Levels of loggers, changed for a while while the process runs, and put back.

Guarantee: none of logging's locks is taken (its owner may be stuck, or gevent's): a level is one attribute.
The levels are put back when their time is over, when the connection to the daemon is lost, and in the child
of a fork, to which the daemon gives those that still hold when its agent says hello.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

from .natives import monotonic

_AGAIN: Final = 0.05
"""Seconds after which caches are cleared once more: what was being looked up meanwhile may have been kept."""
_LOOK: Final = 0.25
"""Seconds between two looks for loggers that are not there yet."""
_LONGEST: Final = 24 * 3600.0
_NAMED: Final = 5


class _Change:
    """A logger's level that is not its own for now."""

    def __init__(self, logger: Any, before: int) -> None:
        self.logger = logger
        self.before = before
        self.level = before
        self.until = 0.0


class Levels:
    """The changes in this process. Everything runs in the agent's thread, or in the child of a fork."""

    def __init__(self) -> None:
        self._changes: dict[str, _Change] = {}
        self._awaited: dict[str, tuple[int, float]] = {}
        """Loggers that are not there yet: level, and until when."""
        self._again = 0.0

    def set(self, name: str, level: int, seconds: float, *, awaited: bool = False) -> dict[str, Any]:
        """Sets the level of the logger, or of those below a name that has none; `rows` are what was set.

        Args:
            name: of the logger; empty: the root one.
            level: its level.
            seconds: after which it is put back.
            awaited: for a process that has just begun: if the logger is not there yet, once it is.

        Raises:
            LookupError: the process does not log, or has no such logger.
        """
        until = monotonic() + min(seconds, _LONGEST)
        self._awaited.pop(name, None)
        try:
            chosen = _find(name)
        except LookupError:
            if not awaited:
                raise
            self._awaited[name] = (level, until)
            return {"rows": []}
        for each, logger in chosen.items():
            change = self._changes.setdefault(each, _Change(logger, _level(logger)))
            change.level = level
            change.until = until
            object.__setattr__(logger, "level", level)
        self._clear()
        rows = [self._row(each, logger) for each, logger in chosen.items()]
        for row, logger in zip(rows, chosen.values(), strict=True):
            instead = f"there is no logger {name} itself" if name and name not in chosen else ""
            row["note"] = "; ".join(filter(None, (instead, _hidden(logger, level))))
        return {"rows": rows}

    def reset(self, name: str) -> dict[str, Any]:
        """Puts back what was changed of the logger and of those below it, or of all."""
        for each in [each for each in self._awaited if not name or each == name]:
            del self._awaited[each]
        chosen = [each for each in self._changes if not name or each == name or each.startswith(f"{name}.")]
        rows = []
        for each in chosen:
            logger = self._changes[each].logger
            self._put_back(each)
            rows.append(self._row(each, logger))
        self._clear()
        return {"rows": rows}

    def list(self) -> dict[str, Any]:
        """The root logger, and all that have a level of their own.

        Raises:
            LookupError: the process does not log.
        """
        loggers = _loggers()
        own = {name: logger for name, logger in loggers.items() if name == "root" or _level(logger)}
        return {"rows": [self._row(name, own[name]) for name in sorted(own, key=lambda n: (n != "root", n))]}

    def tick(self) -> float:
        """Puts back what is due; seconds until the next time."""
        now = monotonic()
        wait = 3600.0
        if self._again:
            if self._again <= now:
                self._again = 0.0
                self._clear(again=False)
            else:
                wait = self._again - now
        for name, (level, until) in list(self._awaited.items()):
            if until <= now:
                del self._awaited[name]
            else:
                self.set(name, level, until - now, awaited=True)
        if self._awaited:
            wait = min(wait, _LOOK)
        due = [name for name, change in self._changes.items() if change.until <= now]
        for name in due:
            self._put_back(name)
        if due:
            self._clear()
            wait = min(wait, _AGAIN)
        return min([wait, *(change.until - now for change in self._changes.values())])

    def close(self, *, forked: bool) -> None:  # noqa: ARG002 - a service's; it has no lock
        """Puts all back."""
        self._awaited.clear()
        for name in [*self._changes]:
            self._put_back(name)
        self._clear(again=False)

    def _put_back(self, name: str) -> None:
        change = self._changes.pop(name)
        if _level(change.logger) == change.level:  # else the application has changed it since
            object.__setattr__(change.logger, "level", change.before)

    def _clear(self, *, again: bool = True) -> None:
        """Loggers keep what they have found of each level."""
        if "logging" not in sys.modules:
            return
        for logger in _loggers().values():
            cache = vars(logger).get("_cache")
            if type(cache) is dict:
                cache.clear()
        if again:
            self._again = monotonic() + _AGAIN

    def _row(self, name: str, logger: Any) -> dict[str, Any]:
        change = self._changes.get(name)
        return {
            "logger": name,
            "level": level_name(_level(logger)),
            "before": level_name(change.before) if change is not None else None,
            "left": max(0.0, change.until - monotonic()) if change is not None else None,
            "note": "",
        }


def serve(_send: Callable[..., None]) -> Levels:
    """The service; it has nothing to say unasked."""
    return Levels()


def level_name(level: int) -> str:
    """As it is written: `debug`; `notset` where the one above counts."""
    names = sys.modules["logging"].__dict__.get("_levelToName", {}) if "logging" in sys.modules else {}
    return str(names.get(level, level)).lower()


def _loggers() -> dict[str, Any]:
    """All loggers by name, the root one as `root`."""
    logging = sys.modules.get("logging")
    if logging is None:
        raise LookupError("the process does not use logging")
    named = list(logging.root.manager.loggerDict.items())  # at once: the application goes on
    there = {name: logger for name, logger in named if issubclass(type(logger), logging.Logger)}
    return {"root": logging.root, **there}


def _find(name: str) -> dict[str, Any]:
    """The logger of that name; if there is none, the topmost ones below it."""
    loggers = _loggers()
    if not name or name in loggers:
        return {name or "root": loggers[name or "root"]}
    below = [each for each in sorted(loggers) if each.startswith(f"{name}.")]
    top = [each for each in below if not any(each.startswith(f"{other}.") for other in below)]
    if top:
        return {each: loggers[each] for each in top}
    first = name.partition(".")[0]
    near = sorted(each for each in loggers if each.partition(".")[0] == first) or sorted(loggers)
    shown = ", ".join(near[:_NAMED]) + (", …" if len(near) > _NAMED else "")
    raise LookupError(f"there is no logger {name} yet; there is {shown}")


def _level(logger: Any) -> int:
    found = vars(logger).get("level")
    return found if type(found) is int else 0


def _hidden(logger: Any, level: int) -> str:
    """Why records of this level are not seen all the same; empty: they are."""
    logging = sys.modules["logging"]
    disabled = vars(logging.root.manager).get("_disable", 0)
    if type(disabled) is int and disabled >= level:
        return f"logging.disable({disabled}) keeps them from being logged"
    lowest: int | None = None
    seen = logger
    while seen is not None:
        for handler in vars(seen).get("handlers", ()):
            own = _level(handler)
            lowest = own if lowest is None else min(lowest, own)
        seen = vars(seen).get("parent") if vars(seen).get("propagate", True) else None
    if lowest is None:
        lowest = logging.WARNING  # of the handler of last resort
    return f"its handlers take nothing below {level_name(lowest)}" if lowest > level else ""
