"""Probes: what a tool hears of calls and lines, in the application's own threads.

By `sys.monitoring` on Python 3.12 and later, by calls put into the bytecode on 3.11. Only the code that is
asked about is changed; all other code runs as before.
"""

import sys
from collections.abc import Callable
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, NamedTuple, Protocol

from .natives import get_ident

own_threads: Final[set[int]] = set()
"""Threads of ours, whose calls nobody wants to hear of: one would make the next."""


class Site(NamedTuple):
    """What is probed: a function's code."""

    name: str
    """`bookshop.pricing:Cart.total`."""
    code: CodeType
    functions: tuple[FunctionType, ...]
    """Those that run it."""
    line: int = 0
    """The only line wanted; 0: its calls."""


class Probe:
    """Hears of a site. Everything here runs in the application's threads: it neither raises nor blocks."""

    returns = True
    """Whether it wants to hear of returns, too."""

    def entered(self, site: Site, frame: FrameType) -> None:
        """The function begins; its arguments are the frame's names."""

    def left(self, site: Site, frame: FrameType, value: Any) -> None:
        """It returns."""

    def raised(self, site: Site, frame: FrameType, error: BaseException) -> None:
        """It is left by an exception, which goes on."""

    def reached(self, site: Site, frame: FrameType) -> None:
        """The statement on the site's line begins."""


class Backend(Protocol):
    """How probes are set."""

    def arm(self, probe: Probe, sites: list[Site]) -> None:
        """Sets a probe.

        Raises:
            RuntimeError: it cannot be.
        """

    def disarm(self, probe: Probe, *, forked: bool) -> None:
        """Takes it off; it may have been taken off already. In a fork's child no lock is taken."""

    def is_probed(self, function: FunctionType) -> bool:
        """Whether a probe is set in it."""

    def code_of(self, function: FunctionType) -> CodeType:
        """Its code, as it is without probes."""


def backend() -> Backend:
    """How probes are set on this Python."""
    if sys.version_info >= (3, 12):
        from .monitoring import MONITORING

        return MONITORING
    from .injection import INJECTION

    return INJECTION


def safely(function: Callable[..., None], *arguments: Any) -> None:
    """`function(*arguments)`, of which nothing reaches the application.

    But what the application has sent to this thread meanwhile does: an exception of its signal handlers, or
    the interruption of an evaluation.
    """
    ident = get_ident()
    if ident in own_threads:
        return
    try:
        own_threads.add(ident)  # what is probed may be what a probe uses
        function(*arguments)
    except Exception as failure:
        if is_sent(failure):
            raise
    finally:
        own_threads.discard(ident)


def is_sent(error: BaseException) -> bool:
    """Whether `error` was raised by a handler of a signal that has arrived meanwhile, and not by the code."""
    if isinstance(error, KeyboardInterrupt):
        return True
    import _signal  # type: ignore[import-not-found]

    handlers = set()
    for number in _signal.valid_signals():
        handler = _signal.getsignal(number)
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        if type(code) is CodeType:
            handlers.add(id(code))
    trace = error.__traceback__
    while trace is not None:
        if id(trace.tb_frame.f_code) in handlers:
            return True
        trace = trace.tb_next
    return False
