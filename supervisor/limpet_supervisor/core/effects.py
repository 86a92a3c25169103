"""What the policy asks for; one place executes it, in this order."""

from typing import Literal

from msgspec import Struct

from limpet_supervisor.model.status import Exit


class Spawn(Struct, frozen=True):
    """Start the instance; answered by Spawned or SpawnFailed."""

    name: str


class Terminate(Struct, frozen=True):
    """Send the instance's stop signal to its main process."""

    name: str


class Kill(Struct, frozen=True):
    """SIGKILL the instance's process and all its descendants."""

    name: str


class Sweep(Struct, frozen=True):
    """End what the instance's ended main process left behind; answered by Swept."""

    name: str


class Capture(Struct, frozen=True):
    """Write the instance's black box before it is killed; answered by Captured, soon."""

    name: str
    pid: int
    cause: str


class SetDeadline(Struct, frozen=True):
    """Send Deadline at that time; replaces the instance's earlier one; None: forget it."""

    name: str
    at: float | None


class Died(Struct, frozen=True):
    """Record the end of an instance's process, and why."""

    name: str
    pid: int
    exit: Exit
    uptime: float
    cause: str


class Forget(Struct, frozen=True):
    """The instance is no more: scaled down or removed."""

    name: str


class Report(Struct, frozen=True):
    """Publish a lifecycle event."""

    kind: str
    process: str
    text: str


class End(Struct, frozen=True):
    """Nothing runs any more, and nothing shall: the node ends."""

    reason: Literal["shutdown", "escalated", "auto_shutdown"]


Effect = Spawn | Terminate | Kill | Sweep | Capture | SetDeadline | Died | Forget | Report | End
