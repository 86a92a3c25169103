"""Probes by calls in the bytecode, for CPython 3.11: a function's `__code__` is replaced, and put back.

Covered are calls that begin afterwards, through whatever reference to the function. What has begun before
goes on with the code that it has begun with; so does, after the probe is off, what has begun while it was
set, and its calls find nobody who listens.
"""

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

from .bytecode import instrumented
from .natives import allocate_lock
from .probes import Probe, Site, safely


class _Stand:
    """A function whose code is replaced as long as somebody listens to it."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.original = function.__code__
        self.current = self.original
        self.probes: tuple[tuple[Probe, Site], ...] = ()

    def apply(self) -> None:
        """Gives the function the code that its listeners want; the very same as before, if there are none.

        What somebody else has put in its place meanwhile is left alone.
        """
        if self.function.__code__ is not self.current:
            return
        lines = {site.line for _probe, site in self.probes if site.line}
        calls = [probe for probe, site in self.probes if not site.line]
        code = self.original
        if self.probes:
            code = instrumented(
                self.original,
                lines={line: self._line(line) for line in lines},
                entered=self._entered if calls else None,
                left=self._left if any(probe.returns for probe in calls) else None,
                raised=self._raised if any(probe.returns for probe in calls) else None,
            )
        self.current = self.function.__code__ = code

    # --- called by the function itself -----------------------------------------------------------------

    def _entered(self) -> None:
        frame = _caller()
        for probe, site in self.probes:
            if not site.line:
                safely(probe.entered, site, frame)

    def _left(self, value: Any) -> None:
        frame = _caller()
        for probe, site in self.probes:
            if not site.line:
                safely(probe.left, site, frame, value)

    def _raised(self, error: BaseException) -> None:
        frame = _caller()
        for probe, site in self.probes:
            if not site.line:
                safely(probe.raised, site, frame, error)

    def _line(self, line: int) -> Callable[[], None]:
        def reached() -> None:
            frame = _caller()
            for probe, site in self.probes:
                if site.line == line:
                    safely(probe.reached, site, frame)

        return reached


def _caller() -> Any:
    """The frame of the function that has called a hook."""
    import sys

    return sys._getframe(2)  # noqa: SLF001 - the documented way


class _Injection:
    """The probes of this process."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._stands: dict[int, _Stand] = {}

    def arm(self, probe: Probe, sites: list[Site]) -> None:
        """Sets a probe."""
        with self._lock:
            for site in sites:
                for function in site.functions:
                    stand = self._stands.setdefault(id(function), _Stand(function))
                    stand.probes += ((probe, site),)
                    stand.apply()

    def disarm(self, probe: Probe, *, forked: bool) -> None:
        """Takes a probe off."""
        if forked:
            self._lock = allocate_lock()
        with self._lock:
            for stand in list(self._stands.values()):
                kept = tuple(each for each in stand.probes if each[0] is not probe)
                if len(kept) != len(stand.probes):
                    stand.probes = kept
                    stand.apply()
                if not kept:
                    del self._stands[id(stand.function)]

    def is_probed(self, function: FunctionType) -> bool:
        """Whether its code is replaced."""
        return id(function) in self._stands

    def code_of(self, function: FunctionType) -> CodeType:
        """Its code, as it was before."""
        stand = self._stands.get(id(function))
        return function.__code__ if stand is None else stand.original


INJECTION: Final = _Injection()
