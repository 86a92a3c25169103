"""Commands to the node that a key may give, each to be confirmed first."""

from typing import NamedTuple

from limpet_supervisor.client import messages
from limpet_supervisor.model.status import ProcessStatus, State

_DOWN = (State.STOPPED, State.EXITED, State.FAILED)


class Act(NamedTuple):
    """A command, and what is asked before it is given."""

    question: str
    request: messages.Request
    doing: str
    """What is said while it is done."""


def act_of(key: str, name: str, status: ProcessStatus | None) -> Act:
    """What `R`, `S` or `K` does to an instance, by the state that it is in."""
    pid = f" (pid {status.pid})" if status is not None and status.pid is not None else ""
    match key:
        case "R":
            return Act(f"Restart {name}{pid}?", messages.RestartProcess(name=name), f"restarting {name}")
        case "K":
            return Act(f"Kill {name}{pid}?", messages.Signal(name=name, signal="KILL"), f"killing {name}")
        case _ if status is not None and status.state in _DOWN:
            return Act(f"Start {name}?", messages.StartProcess(name=name), f"starting {name}")
        case _:
            return Act(f"Stop {name}{pid}?", messages.StopProcess(name=name), f"stopping {name}")
