"""Profiles that the daemon asks for, when it may not look from outside."""

from collections.abc import Callable
from typing import Any

from .natives import start_new_thread
from .sampler import Sampling
from .threads import forget_thread, name_thread


class Samplings:
    """Those that run, by the ids of their requests."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._running: dict[int, Sampling] = {}

    def begin(self, request: int, seconds: float, rate: float) -> None:
        """Answers `request` when the time is over, or `end` is called."""
        sampling = self._running[request] = Sampling(seconds, rate)

        def run() -> None:
            name_thread("limpet agent's sampler")
            try:
                sampling.run()
                self._send({"id": request, "re": "sampled", "data": sampling.data()})
            finally:
                self._running.pop(request, None)
                forget_thread()

        start_new_thread(run, ())

    def end(self, request: int) -> None:
        """What has been seen by now is all."""
        if (sampling := self._running.get(request)) is not None:
            sampling.stop = True

    def tick(self) -> float:
        """There is never anything due."""
        return 3600.0

    def close(self, *, forked: bool) -> None:
        """Nobody wants to know any more; in a fork's child (`forked`) their threads have not come along."""
        if forked:
            self._running.clear()
        for sampling in list(self._running.values()):
            sampling.stop = True


def serve(send: Callable[[dict[str, Any]], None]) -> Samplings:
    """The service."""
    return Samplings(send)
