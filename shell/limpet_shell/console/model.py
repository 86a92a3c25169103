"""What the console knows, and what an input is: no terminal, no node."""

import ast
import warnings
from enum import Enum
from typing import Final, NamedTuple

NAMES: Final = (
    ("h(x), i(x), src(x)", "documentation of x; what it is; its source"),
    ("tasks(), mem(), types()…", "the looks above, as functions; refs(x)"),
    ("_, v(n), Out[n]", "the last value; that of input n"),
    ("jobs(), kill_job(n)", "evaluations that run; end one"),
    ("trace(f), snapshot(place)", "the calls of a function; the variables at a line"),
    ("watch(expression)", "a value, whenever it changes"),
    ("profile(seconds)", "where the time goes, from inside; see :profile"),
)
"""What every session's namespace has, as :help lists it."""

_LEAVE: Final = frozenset({"exit", "exit()", "quit", "quit()"})


class Kind(Enum):
    """What an input is."""

    NOTHING = "nothing"
    CODE = "code"
    """Python, for the process."""
    COMMAND = "command"
    """For the node, without its colon."""
    LEAVE = "leave"


class Input(NamedTuple):
    """One input."""

    kind: Kind
    text: str


def parse(text: str) -> Input:
    """What the user has typed."""
    stripped = text.strip()
    if not stripped:
        return Input(Kind.NOTHING, "")
    if stripped in _LEAVE:
        return Input(Kind.LEAVE, "")
    if stripped.startswith(":"):
        return Input(Kind.COMMAND, stripped[1:].strip())
    return Input(Kind.CODE, text.rstrip())


class Place(NamedTuple):
    """The process that a session is attached to."""

    process: str
    pid: int
    python: str
    loops: int
    others: tuple[str, ...] = ()
    """Other processes of the same instance in which it could be."""


class Model:
    """The console's state.

    Attributes:
        place: where inputs are evaluated; None before the first attach.
        stale: that process has ended since; attach again before the next input.
        owns: the node is the console's own, and ends with it.
    """

    def __init__(self, node: str, host: str) -> None:
        self.node = node
        self.host = host
        self.owns = False
        self.place: Place | None = None
        self.stale = False
        self._numbers: dict[tuple[str, int], int] = {}

    @property
    def process(self) -> str:
        """The process's name, or empty."""
        return self.place.process if self.place else ""

    @property
    def instance(self) -> str:
        """The instance that it belongs to, or empty."""
        return self.process.partition("/")[0]

    @property
    def number(self) -> int:
        """N of `Out[n]` of the next input: each process counts its own."""
        return self._numbers.get(self._key(), 0) + 1

    def evaluated(self, number: int) -> None:
        """The session's last input had this number."""
        self._numbers[self._key()] = number

    def moved(self, place: Place) -> bool:
        """The session is attached there now; whether that is another process than before."""
        new = self.place is None or (place.process, place.pid) != (self.place.process, self.place.pid)
        self.place = place
        self.stale = False
        return new

    def prompt(self, width: int = 0) -> str:
        """`bookshop@host web.1 [1]> `; without the node where that is more than half of a line."""
        number = f"[{self.number}]> "
        whole = " ".join(filter(None, (f"{self.node}@{self.host}", self.process, number)))
        if not width or len(whole) <= width // 2:
            return whole
        return f"{self.process or self.node} {number}"

    def _key(self) -> tuple[str, int]:
        return (self.place.process, self.place.pid) if self.place else ("", 0)


def own_inputs(text: str, session: str) -> str:
    """A traceback with this session's inputs named as the prompt numbers them: `<console 3>`."""
    return text.replace(f"<console {session} ", "<console ")


def continuation(prompt: str) -> str:
    """The prompt of a statement's further lines, as wide as the first."""
    return "... ".rjust(len(prompt))


def is_simple(text: str) -> bool:
    """Whether `text` is a line that is complete in every Python: no block, no bracket or quote left open."""
    if "\n" in text:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes the process will warn
        try:
            tree = ast.parse(text.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return not any(hasattr(statement, "body") for statement in tree.body)


def restores(text: str) -> str:
    """`text` as Check wants it: a last line of nothing but spaces ends the block that it stands in."""
    head, newline, last = text.rpartition("\n")
    return f"{head}\n" if newline and not last.strip() else text
