"""What of the logs is to be shown."""

import re
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from limpet_supervisor.errors import UsageError
from limpet_supervisor.model import levels
from limpet_supervisor.wire.messages import Logs

from .entries import Entry
from .moments import moment

MOST: Final = 10_000
"""Lines that one request reads; a choice among lines is one among so many."""
USUAL: Final = 10
"""Lines of each process."""
LONG: Final = 100
"""Lines of a long traceback."""
_VALUES: Final = {
    "-n": "lines",
    "--lines": "lines",
    "--since": "since",
    "--until": "until",
    "--level": "level",
    "--grep": "grep",
}
"""Options with a value."""
USAGE: Final = "logs [NAME…] [-f] [-n N] [--since 10m] [--until 5m] [--level warning] [--grep REGEX] [-t]"


class Choice(NamedTuple):
    """Which entries, of which processes."""

    names: tuple[str, ...] = ()
    lines: int | None = None
    """The last so many of each process; None: not said."""
    follow: bool = False
    since: float | None = None
    until: float | None = None
    level: int | None = None
    grep: "re.Pattern[str] | None" = None
    times: bool = False
    """Whether each line is shown with its time."""

    @property
    def among(self) -> bool:
        """Whether some of the lines are left out."""
        return self._timed or self.level is not None or self.grep is not None

    @property
    def _timed(self) -> bool:
        return self.since is not None or self.until is not None

    @property
    def most(self) -> int:
        """Entries of each process that are shown."""
        if self.lines is not None:
            return self.lines
        return MOST if self._timed else USUAL

    @property
    def reads(self) -> int:
        """Lines of each process that are read for them: the last entries may be tracebacks, of many lines."""
        if self.among:
            return MOST
        return max(self.most, min(MOST, 5 * self.most + LONG)) if self.most else 0

    def request(self) -> Logs:
        """What to ask a node: it knows nothing of patterns and levels."""
        return Logs(names=self.names, lines=self.reads, follow=self.follow)

    def takes(self, entry: Entry) -> bool:
        """Whether it is to be shown. One whose time is not known is neither since nor until any."""
        if self.since is not None and (entry.at is None or entry.at < self.since):
            return False
        if self.until is not None and (entry.at is None or entry.at > self.until):
            return False
        if self.level is not None and entry.level < self.level:
            return False
        return self.grep is None or self.grep.search(entry.text) is not None


def of_words(words: Sequence[str]) -> Choice:
    """The choice of a command's words.

    Raises:
        UsageError: one of them is not understood.
    """
    names: list[str] = []
    values: dict[str, str] = {}
    follow = times = False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-f", "--follow"):
            follow = True
        elif word in ("-t", "--times"):
            times = True
        elif word in _VALUES:
            if not rest:
                raise UsageError(f"{word} wants a value")
            values[_VALUES[word]] = rest.pop(0)
        elif word.startswith("-"):
            raise UsageError(f"logs does not know {word}", todo=f"say: {USAGE}")
        else:
            names.append(word)
    return chosen(names, follow=follow, times=times, **values)


def chosen(
    names: Sequence[str],
    *,
    follow: bool = False,
    times: bool = False,
    lines: str | None = None,
    since: str | None = None,
    until: str | None = None,
    level: str | None = None,
    grep: str | None = None,
) -> Choice:
    """The choice that these texts mean.

    Raises:
        UsageError: one of them means nothing.
    """
    if lines is not None and not (lines.isascii() and lines.isdigit()):
        raise UsageError(f"-n wants a number, not {lines!r}")
    now = time.time()
    number = None if level is None else levels.named(level)
    if level is not None and number is None:
        raise UsageError(f"There is no level {level!r}", todo=f"say {', '.join(levels.NAMES.values())}")
    try:
        pattern = None if grep is None else re.compile(grep)
    except re.error as error:
        raise UsageError(f"{grep!r} is no regular expression", str(error)) from None
    return Choice(
        names=tuple(names),
        lines=None if lines is None else int(lines),
        follow=follow,
        since=None if since is None else moment(since, now),
        until=None if until is None else moment(until, now),
        level=number,
        grep=pattern,
        times=times,
    )
