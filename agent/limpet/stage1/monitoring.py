"""Probes by `sys.monitoring`, Python 3.12 and later (PEP 669): events of single code objects.

Frames that run already are covered, and whoever holds a reference to the function. One tool id, taken when
the first probe is set and given back with the last one, serves all.
"""

import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, Final

from .bytecode import line_starts, with_inner
from .natives import allocate_lock
from .probes import Probe, Site, safely

_IDS: Final = (4, 3)
"""Tool ids that are meant for nobody in particular: debugger, coverage and profilers have others."""
_NAME: Final = "limpet"


class _Listeners:
    """Who listens to one code object."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.probes: tuple[tuple[Probe, Site], ...] = ()
        self.starts: dict[int, int] = {}
        """Lines that are wanted, by the offset of the instruction that begins a statement there."""


class _Monitoring:
    """The probes of this process. Callbacks read what is replaced as a whole: they need no lock."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._tool = -1
        self._listeners: dict[int, _Listeners] = {}

    @property
    def _api(self) -> Any:
        found: Any = sys
        return found.monitoring

    def arm(self, probe: Probe, sites: list[Site]) -> None:
        """Sets a probe; RuntimeError if all tool ids are taken."""
        with self._lock:
            if self._tool < 0:
                self._take()
            for site in sites:
                listeners = self._listeners.setdefault(id(site.code), _Listeners(site.code))
                listeners.probes += ((probe, site),)
                self._apply(listeners)
            self._apply_unwind()

    def disarm(self, probe: Probe, *, forked: bool) -> None:
        """Takes a probe off."""
        if forked:
            self._lock = allocate_lock()
        with self._lock:
            for listeners in list(self._listeners.values()):
                kept = tuple(each for each in listeners.probes if each[0] is not probe)
                if len(kept) != len(listeners.probes):
                    listeners.probes = kept
                    self._apply(listeners)
                if not kept:
                    del self._listeners[id(listeners.code)]
            if self._tool >= 0:
                self._apply_unwind()
                if not self._listeners:
                    self._give_back()

    def is_probed(self, function: FunctionType) -> bool:
        """Whether a probe is set in its code, or in what stands in it."""
        return any(id(code) in self._listeners for code in with_inner(function.__code__))

    def code_of(self, function: FunctionType) -> CodeType:
        """Its code, which is never replaced."""
        return function.__code__

    def _take(self) -> None:
        api = self._api
        for tool in _IDS:
            try:
                api.use_tool_id(tool, _NAME)
            except ValueError:
                continue
            events = api.events
            callbacks: dict[int, Callable[..., Any]] = {
                events.PY_START: self._started,
                events.PY_RETURN: self._returned,
                events.PY_UNWIND: self._unwound,
                events.LINE: self._reached,
            }
            for event, callback in callbacks.items():
                api.register_callback(tool, event, callback)
            self._tool = tool
            return
        holders = ", ".join(str(api.get_tool(tool)) for tool in _IDS)
        raise RuntimeError(f"sys.monitoring has no tool id left in this process: {holders} have them")

    def _give_back(self) -> None:
        tool, self._tool = self._tool, -1
        api = self._api
        for event in (api.events.PY_START, api.events.PY_RETURN, api.events.PY_UNWIND, api.events.LINE):
            api.register_callback(tool, event, None)
        api.free_tool_id(tool)

    def _apply(self, listeners: _Listeners) -> None:
        """Asks for the events that the listeners of one code object want."""
        events = self._api.events
        wanted = 0
        lines = {site.line for _probe, site in listeners.probes if site.line}
        for probe, site in listeners.probes:
            if site.line:
                wanted |= events.LINE
            else:
                wanted |= events.PY_START | (events.PY_RETURN if probe.returns else 0)
        listeners.starts = dict(line_starts(listeners.code, lines))
        # From nothing: a line that nobody has wanted so far was switched off by itself.
        self._api.set_local_events(self._tool, listeners.code, 0)
        self._api.set_local_events(self._tool, listeners.code, wanted)

    def _apply_unwind(self) -> None:
        """Asks for exceptions: they are no event of single code objects, so all are heard meanwhile."""
        wanted = any(
            probe.returns and not site.line
            for listeners in self._listeners.values()
            for probe, site in listeners.probes
        )
        self._api.set_events(self._tool, self._api.events.PY_UNWIND if wanted else 0)

    # --- callbacks, in the application's threads -------------------------------------------------------

    def _started(self, code: CodeType, _offset: int) -> None:
        listeners = self._listeners.get(id(code))
        if listeners is not None:
            frame = sys._getframe(1)  # noqa: SLF001 - the frame that the event is about
            for probe, site in listeners.probes:
                if not site.line:
                    safely(probe.entered, site, frame)

    def _returned(self, code: CodeType, _offset: int, value: object) -> None:
        listeners = self._listeners.get(id(code))
        if listeners is not None:
            frame = sys._getframe(1)  # noqa: SLF001 - see above
            for probe, site in listeners.probes:
                if not site.line:
                    safely(probe.left, site, frame, value)

    def _unwound(self, code: CodeType, _offset: int, error: BaseException) -> None:
        listeners = self._listeners.get(id(code))
        if listeners is not None:
            frame = sys._getframe(1)  # noqa: SLF001 - see above
            for probe, site in listeners.probes:
                if not site.line:
                    safely(probe.raised, site, frame, error)

    def _reached(self, code: CodeType, line: int) -> Any:
        listeners = self._listeners.get(id(code))
        if listeners is None or line not in listeners.starts.values():
            return self._api.DISABLE
        frame = sys._getframe(1)  # noqa: SLF001 - see above
        if listeners.starts.get(frame.f_lasti) == line:
            for probe, site in listeners.probes:
                if site.line == line:
                    safely(probe.reached, site, frame)
        return None


MONITORING: Final = _Monitoring()
