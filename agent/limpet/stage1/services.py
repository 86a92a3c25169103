"""What works in a process, each once it is asked for: evaluations, checks, levels, vitals, samplings."""

from collections.abc import Callable
from typing import Any, Final

from .loading import load


class Services:
    """The services of one connection.

    A service is what `serve(send)` of the module of its name gives: with `tick()`, which does what is due and
    gives the seconds until the next time, and `close(forked=…)`, for when the connection is gone, or this
    is the child of a fork, where no lock may be taken. Both are called by the agent's thread.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._services: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """The service; it begins now if it has not begun."""
        found = self._services.get(name)
        if found is None:
            # Race: an evaluation may begin it as well; one of the two is used.
            found = self._services.setdefault(name, load(name).serve(self._send))
        return found

    def begun(self, name: str) -> Any:
        """The service, if it has begun; else None."""
        return self._services.get(name)

    def tick(self) -> float:
        """Does what is due; seconds until the next time.

        A service that raises is dropped and the daemon told: raised here, it would cost the connection, that
        of the next time as well, and every console with it. Whoever asks for it again begins it anew.
        """
        wait = 3600.0
        for name, service in list(self._services.items()):
            try:
                wait = min(wait, service.tick())
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is told, and the others go on
                self._drop(name, failure)
        return wait

    def _drop(self, name: str, failure: Exception) -> None:
        service = self._services.pop(name)
        try:
            error = f"{type(failure).__name__}: {failure}"
            service.close(forked=False)
        except Exception as worse:  # noqa: BLE001 - it has failed already: its end is best effort
            error = f"{type(failure).__name__}, and {type(worse).__name__} as it was ended"
        self._send({"id": 0, "item": "failed", "data": {"service": name, "error": error}})

    def close(self, *, forked: bool) -> None:
        """Ends them."""
        for service in list(self._services.values()):
            service.close(forked=forked)


_here: Final[list[Services]] = []


def begin(send: Callable[..., None]) -> Services:
    """The services of a new connection."""
    _here[:] = [Services(send)]
    return _here[0]


def service(name: str) -> Any:
    """A service of the connection that there is."""
    return _here[0].get(name)
