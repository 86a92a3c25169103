"""What can happen to a tree: facts from the operating system, deadlines, commands."""

from msgspec import Struct

from limpet_supervisor.model.spec import ProcessSpec
from limpet_supervisor.model.status import Exit

from .state import Cause


class Boot(Struct, frozen=True):
    """The node comes up: everything that shall run is to be started."""


class Spawned(Struct, frozen=True):
    """The instance's process exists."""

    name: str
    pid: int


class SpawnFailed(Struct, frozen=True):
    """The instance's process could not be made: `why` is the system's word for it.

    shortage: for want of something that comes back (processes, memory, descriptors); no fault of its own.
    """

    name: str
    why: str
    chance: float = 0.5
    shortage: bool = False


class BecameReady(Struct, frozen=True):
    """The instance's readiness check has passed."""

    name: str


class Exited(Struct, frozen=True):
    """The instance's main process is gone.

    clean: nothing of it is left; otherwise Swept follows when that is so.
    chance: uniform in [0, 1), for the jitter of a delay.
    """

    name: str
    pid: int
    exit: Exit
    clean: bool = True
    chance: float = 0.5


class Swept(Struct, frozen=True):
    """No descendant of the instance's ended process remains."""

    name: str
    chance: float = 0.5


class Fault(Struct, frozen=True):
    """The instance runs and must not: liveness, memory, age."""

    name: str
    cause: Cause
    detail: str


class Captured(Struct, frozen=True):
    """The black box asked for by Capture is written, or could not be in time."""

    name: str
    pid: int


class Deadline(Struct, frozen=True):
    """The time of the instance's last SetDeadline has come."""

    name: str


class StartCommand(Struct, frozen=True):
    """An operator wants these instances up."""

    names: tuple[str, ...]


class StopCommand(Struct, frozen=True):
    """An operator wants these instances down: of a supervisor, all below it in reverse start order."""

    names: tuple[str, ...]
    supervisor: str = ""
    """Whose they are, if they are all of a supervisor's."""


class RestartCommand(Struct, frozen=True):
    """An operator wants these instances stopped and started: of a supervisor, all below it in order."""

    names: tuple[str, ...]
    supervisor: str = ""
    """Whose they are, if they are all of a supervisor's."""


class ScaleCommand(Struct, frozen=True):
    """An operator wants so many instances of a process."""

    process: str
    instances: int


class AddCommand(Struct, frozen=True):
    """An operator adds a process to the end of the root supervisor's children."""

    spec: ProcessSpec


class RemoveCommand(Struct, frozen=True):
    """An operator wants a process stopped and forgotten."""

    process: str


class ShutdownCommand(Struct, frozen=True):
    """Stop everything in order; then the node ends."""


Fact = Spawned | SpawnFailed | BecameReady | Exited | Swept | Fault | Captured | Deadline
"""About one instance, by its name."""

Command = StartCommand | StopCommand | RestartCommand | ScaleCommand | AddCommand | RemoveCommand

Event = Boot | Fact | Command | ShutdownCommand
