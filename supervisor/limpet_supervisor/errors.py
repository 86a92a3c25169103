"""Every error that Limpet raises on purpose, in one tree, with its exit code.

LimpetError                 1   failed
 |- UsageError              2   the command line is wrong
 |- NotRunning              3   there is no node (LSB's "not running")
 |- NodeUnreachable        69   a node should be there and does not answer
 |- ProtocolError          70   a peer broke the protocol: a bug of ours, or another version
 |- TimedOut               75   it did not happen in time
 |- NotPermitted           77   another user's, or a role that may not
 |- ConfigError            78   configuration: carries every problem found
 |- NoSuchProcess           1   no process of that name
 |- BootFailed              1   the node did not come up
 `- EvaluationFailed        1   the expression raised in the application's process

A message reads `what. why. what to do`: three facts, each optional but the first.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # clients raise these before they import anything heavy
    from typing import ClassVar


class LimpetError(Exception):
    """Base of the tree.

    Args:
        what: what failed, as a sentence without its full stop.
        why: the cause, likewise; may be empty.
        todo: what the user can do about it, likewise; may be empty.
    """

    exit_code: "ClassVar[int]" = 1

    def __init__(self, what: str, why: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.todo = todo

    def __str__(self) -> str:
        *before, last = [part for part in (self.what, self.why, self.todo) if part] or [""]
        return " ".join((*(part if part.endswith("?") else f"{part}." for part in before), last))


class UsageError(LimpetError):
    """The command line cannot be understood."""

    exit_code = 2


class NotRunning(LimpetError):
    """No node runs here."""

    exit_code = 3


class NodeUnreachable(LimpetError):
    """The control socket could not be reached or did not answer."""

    exit_code = 69


class ProtocolError(LimpetError):
    """A message that no peer of this version sends."""

    exit_code = 70


class TimedOut(LimpetError):
    """A deadline passed."""

    exit_code = 75


class NotPermitted(LimpetError):
    """The operating system or a role forbids it."""

    exit_code = 77


class ConfigError(LimpetError):
    """The configuration is wrong; `problems` holds one line for each thing that is."""

    exit_code = 78

    def __init__(self, what: str, why: str = "", todo: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(what, why, todo)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *(f"  {problem}" for problem in self.problems)))


class NoSuchProcess(LimpetError):
    """A name that no process of the node has."""


class BootFailed(LimpetError):
    """The node could not be brought up; nothing of it is left running."""


class EvaluationFailed(LimpetError):
    """Code raised in the application's process; `traceback` is its text."""

    def __init__(self, what: str, traceback: str = "") -> None:
        super().__init__(what)
        self.traceback = traceback


BY_NAME: dict[str, type[LimpetError]] = {
    cls.__name__: cls
    for cls in (
        LimpetError,
        UsageError,
        NotRunning,
        NodeUnreachable,
        ProtocolError,
        TimedOut,
        NotPermitted,
        ConfigError,
        NoSuchProcess,
        BootFailed,
    )
}
