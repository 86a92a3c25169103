"""What can run out: memory, disk, descriptors, processes; a node that is near a limit still serves."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.figures import Figures, Limit
from limpet_supervisor.model.health import Line, Status
from limpet_supervisor.model.spec import HealthSpec
from limpet_supervisor.model.units import format_size
from limpet_supervisor.runtime import host
from limpet_supervisor.runtime.aside import Aside
from limpet_supervisor.runtime.reactor import Reactor

from .figures import Sampler, Taken

_FRESH: Final = 5.0
"""Seconds for which a look is good enough."""


class Limits:
    """Looks at them for those who ask, beside the loop.

    Args:
        directories: whose file systems must not run full.
    """

    def __init__(
        self,
        reactor: Reactor,
        spec: HealthSpec,
        *,
        aside: Aside,
        sampler: Sampler,
        directories: tuple[str, ...],
    ) -> None:
        self.lines: tuple[Line, ...] = ()
        """As they were when they were last looked at."""
        self._reactor = reactor
        self._spec = spec
        self._aside = aside
        self._sampler = sampler
        self._directories = directories
        self._at = float("-inf")
        self._waiting: list[Callable[[], None]] = []

    def look(self, then: Callable[[], None]) -> None:
        """Calls `then` when what can run out has been looked at, at most some seconds ago."""
        now = self._reactor.now()
        if now - self._at < _FRESH:
            then()
            return
        self._waiting.append(then)
        if len(self._waiting) > 1:
            return
        directories = self._directories

        def told(lines: tuple[Line, ...]) -> None:
            self.lines = lines
            self._at = self._reactor.now()
            waiting, self._waiting = self._waiting, []
            self._reactor.call_each(waiting)

        def known(limits: tuple[Limit, ...], figures: tuple[Figures, ...]) -> None:
            try:
                lines = tuple(self._out(limits, figures))
            except Exception as error:
                # Else all who come later wait with those who wait now, for ever.
                failed(LimpetError("It could not be judged", f"{type(error).__name__}: {error}"))
                raise
            told(lines)

        def failed(error: LimpetError) -> None:
            told((Line("disk", Status.UNKNOWN, reason=error.why, critical=False),))

        def sampled(taken: Taken) -> None:
            self._aside.do(
                lambda: host.limits(*directories),
                lambda limits: known(limits, taken.figures),
                failed,
            )

        try:
            self._sampler.take(sampled, failed)
        except Exception as error:
            # As above; and the next look is not to wait for this one.
            failed(LimpetError("It could not be measured", f"{type(error).__name__}: {error}"))
            raise

    def _out(self, limits: Iterable[Limit], figures: Iterable[Figures]) -> Iterator[Line]:
        spec = self._spec
        limits = list(limits)
        of_processes = [
            Limit(f"descriptors of {each.name}", each.fds, each.fds_limit)
            for each in figures
            if each.fds is not None and each.fds_limit and each.processes == 1
        ]
        for check, share, words in (
            ("memory", spec.memory, ("memory of ",)),
            ("disk", spec.disk, ("disk of ", "inodes of ")),
            ("descriptors", spec.descriptors, ("descriptors of ", "open files of ")),
            ("processes", spec.processes, ("tasks of ",)),
        ):
            known = [each for each in (*limits, *of_processes) if each.name.startswith(words)]
            if known:
                worst = max(known, key=lambda each: each.share)
                full = worst.share > share / 100
                yield Line(
                    check,
                    Status.WARNING if full else Status.OK,
                    reason=_shown(worst) if full else "",
                    critical=False,
                )


def _shown(limit: Limit) -> str:
    show = format_size if limit.unit == "bytes" else "{:,.0f}".format
    return f"{limit.name}: {show(limit.used)} of {show(limit.limit)}, {100 * limit.share:.0f} %"
