"""One input after the other: evaluates it or runs its command, and shows the answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from limpet_shell import control, looks, output
from limpet_shell.fitting import listed
from limpet_shell.render import Paint
from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError, NoSuchProcess, UsageError

from . import everywhere
from .link import Link
from .model import NAMES, Input, Kind, Model, Place, own_inputs
from .screen import Screen

_INTERRUPT_WAIT: Final = 5.0
"""Seconds that an interrupted evaluation has to answer, before the prompt comes back without it."""
_PATIENCE: Final = 1.0
"""Seconds of an evaluation after which it is shown that it runs."""
_EVERY: Final = 0.5
"""Seconds between two such signs."""
_NAMED: Final = 3
"""Processes below another one that are named when the console comes there."""

_KEYS: Final = (
    "Tab completes; Enter runs what is complete, Alt-Enter begins a line; Ctrl-R searches the history; "
    "Ctrl-C interrupts an evaluation or clears the line."
)

Answers = AsyncIterator[messages.AnyItem | messages.AnyReply]


class Session:
    """Works on inputs; one at a time.

    Attributes:
        failed: whether the last input failed.
        timeout: seconds that an evaluation may take; None: any number.
        startup_files: evaluated in a process when the session comes there, if they exist.
    """

    def __init__(self, model: Model, link: Link, screen: Screen) -> None:
        self.model = model
        self.link = link
        self.screen = screen
        self.failed = False
        self.timeout: float | None = 30.0
        self.startup_files: tuple[str, ...] = ()
        self._interrupted: asyncio.Event | None = None
        self._attaching = asyncio.Lock()

    def interrupt(self) -> bool:
        """Ctrl-C: interrupts what is worked on; False if that is nothing."""
        if self._interrupted is None:
            return False
        self._interrupted.set()
        return True

    async def run(self, what: Input) -> bool:
        """Works on an input; False if it is to leave. Errors are shown, never raised."""
        self.failed = False
        self._interrupted = asyncio.Event()
        try:
            match what.kind:
                case Kind.LEAVE:
                    return False
                case Kind.CODE:
                    self.failed = not await self._input(what.text)
                case Kind.COMMAND:
                    return await self._command(what.text)
                case Kind.NOTHING:
                    pass
        except LimpetError as error:
            self.failed = True
            self.screen.finish_line()
            self.screen.error(str(error))
        finally:
            self.screen.finish_line()
            self._interrupted = None
        return True

    async def first(self, process: str) -> None:
        """The first attach.

        Raises:
            LimpetError: it cannot.
        """
        self._interrupted = asyncio.Event()
        try:
            await self.attach(process)
        finally:
            self.screen.finish_line()
            self._interrupted = None

    async def attach(self, process: str, *, below: bool = False) -> bool:
        """Opens or moves the session; says where it is now, if that is another process than before.

        Args:
            process: where to; empty: the first process with an agent.
            below: rather to the newest of the processes below it.

        Raises:
            LimpetError: it cannot.
        """
        async with self._attaching:
            before = self.model.process
            moved = await self.link.attach(process)
            place = self.model.place
            if below and place is not None and place.others:
                moved = await self.link.attach(place.others[-1])
                place = self.model.place
            if place is None or not moved:
                return False
            words = [f"{place.process}: pid {place.pid}", f"Python {place.python}"]
            if place.loops or place.process != before:  # one that has been restarted may be about to have one
                words.append(f"{place.loops or 'no'} running loop{'s' * (place.loops > 1)}")
            self.screen.notice(", ".join(words))
            if place.others:
                self.screen.notice(_others(place))
            for path in self.startup_files:
                await self._startup(path)
            return True

    async def attach_again(self) -> None:
        """Attaches to the process that has taken the place of the one that ended; or to a first one.

        Where that was a process below another one (a server's worker), it is the newest of those that are
        there now.

        Raises:
            LimpetError: there is none yet.
        """
        place = self.model.place
        if place is None:
            await self.attach("")
        elif (self.model.stale or self.link.lost) and await self.attach(
            self.model.instance, below="/" in place.process
        ):
            self.screen.notice("(the session's variables went with its process)")

    async def _startup(self, path: str) -> None:
        try:
            source = _read_file(path)
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            self.screen.error(f"{path} cannot be read: {error}")
            return
        if not await self._evaluate(source, numbered=False):
            self.screen.error(f"{path} failed")

    async def _input(self, source: str) -> bool:
        """Evaluates an input; in another process than the user has in mind never."""
        await self.attach_again()
        try:
            return await self._evaluate(source)
        except NoSuchProcess:
            gone = self.model.process
            self.model.stale = True
            self.screen.error(f"{gone} has ended: this was not evaluated")
            await self.attach_again()
            return False

    async def _evaluate(self, source: str, *, numbered: bool = True) -> bool:
        """Shows what it prints and its value or traceback; whether it succeeded."""
        telling = asyncio.ensure_future(self._tell(self._running, _PATIENCE))
        try:
            async with self.link.evaluate(source, self.timeout, numbered=numbered) as (request_id, answers):
                reading = asyncio.ensure_future(self._read(answers))
                try:
                    if not await self._finished(reading):
                        self.link.client.cancel(request_id)
                        await asyncio.wait([reading], timeout=_INTERRUPT_WAIT)
                    reply = reading.result() if reading.done() else None
                finally:
                    reading.cancel()
        finally:
            telling.cancel()
            self.screen.working("")
        if reply is None:
            self.screen.finish_line()
            self.screen.error("No answer to the interrupt: it may still run there")
            return False
        if reply.number:
            self.model.evaluated(reply.number)
        if not reply.ok:
            self.screen.traceback(own_inputs(reply.error or "failed", self.link.name))
            if reply.abandoned is not None:
                self.screen.notice("(jobs() says whether it still runs)")
        elif reply.value is not None:
            self.screen.value(reply.value, reply.data)
            if reply.type == "coroutine":
                self.screen.notice("(nothing has awaited it: say await …)")
        if reply.stalled:
            self.screen.notice(f"(this stalled {reply.process} for {reply.stalled:.1f}s)", "yellow")
        return reply.ok

    def _running(self, passed: float) -> str:
        """That an evaluation runs, and since when."""
        if self._interrupted is not None and self._interrupted.is_set():
            return f"{passed:.0f}s; it is being interrupted"
        limit = f" of {self.timeout:.0f}s" if self.timeout is not None and passed <= self.timeout else ""
        return f"{passed:.0f}s{limit}; Ctrl-C interrupts it"

    async def _tell(self, text: Callable[[float], str], patience: float) -> None:
        """Shows what is waited for, as long as nothing else is printed; not above a prompt.

        Args:
            text: says it, for the seconds that have passed.
            patience: seconds before it is said for the first time.
        """
        if self._interrupted is None:
            return
        began = time.monotonic()
        await asyncio.sleep(patience)
        while True:
            self.screen.working(text(time.monotonic() - began))
            await asyncio.sleep(_EVERY)

    async def _read(self, answers: Answers) -> messages.EvaluateReply:
        """Shows the output of an evaluation until its reply."""
        async for answer in answers:
            match answer:
                case messages.OutputItem(stream=stream, text=text):
                    self.screen.evaluated(stream, text)
                case messages.EvaluateReply():
                    return answer
                case _:
                    pass
        raise AssertionError("a stream ends with a reply or an error")

    async def _finished(self, task: "asyncio.Future[Any]") -> bool:
        """Waits for the task; False if Ctrl-C comes first."""
        if self._interrupted is None:  # a start-up file, after a restart, while the prompt waits
            await asyncio.wait([task])
            return True
        waiting = asyncio.ensure_future(self._interrupted.wait())
        try:
            await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
            return task.done()
        finally:
            waiting.cancel()

    # -- commands --

    async def _command(self, text: str) -> bool:
        name, _, rest = text.partition(" ")
        if name == "all":  # its argument is Python, which the shell's quoting rules would spoil
            await self._everywhere(rest.strip())
            return True
        command, words = control.parse(control.split(text))
        match command.name:
            case "quit":
                return False
            case "help":
                self.screen.lines(help_lines(self.screen.paint, words, owns=self.model.owns))
            case "all":
                await self._everywhere(rest.strip())
            case "use":
                await self._use(words)
            case "observer":
                await self._observer(words)
            case _:
                everywhere, asked = control.of_all(command, words)
                requests = control.requests(command, asked, "" if everywhere else self.model.process)
                client = await self.link.connect()
                if everywhere:
                    status: messages.StatusReply = await client.request(messages.Status())
                    requests = looks.everywhere(requests, status.agents)
                if first := control.names_first(requests):
                    await client.request(first)
                for request in requests:
                    if everywhere:
                        self.screen.lines([looks.title(request)])
                    show = control.shower(request, words, self.screen.paint)
                    if not await self._request(request, show):
                        break
        return True

    async def _observer(self, words: list[str]) -> None:
        """The node in full screen, until the user comes back or the console is to leave."""
        if len(words) > 1:
            raise UsageError("The observer begins with one page", todo="say: :observer processes")
        from limpet_shell.observer.opening import observe

        observing = asyncio.ensure_future(observe(self.model.node, page="".join(words)))
        try:
            if await self._finished(observing):
                observing.result()
        finally:
            observing.cancel()
            await asyncio.wait([observing])

    async def _request(self, request: messages.Request, show: control.Show) -> bool:
        """Shows the answers; False if Ctrl-C comes before the last. A profile is shown as far as it goes."""
        client = await self.link.connect()
        progress = [""]
        telling = asyncio.ensure_future(
            self._tell(
                lambda passed: f"{progress[0]} ({passed:.0f}s)" if progress[0] else "", output.PROGRESS_AFTER
            )
        )
        try:
            async with client.streaming(request) as (request_id, answers):
                reading = asyncio.ensure_future(self._show(show, answers, progress))
                try:
                    finished = await self._finished(reading)
                    if not finished and isinstance(request, messages.Profile):
                        client.cancel(request_id)
                        await asyncio.wait([reading], timeout=_INTERRUPT_WAIT)
                    if reading.done():
                        reading.result()
                    return finished
                finally:
                    reading.cancel()
        finally:
            telling.cancel()
            self.screen.working("")

    async def _show(self, show: control.Show, answers: Answers, progress: list[str]) -> None:
        async for answer in answers:
            if isinstance(answer, messages.ProgressItem):
                progress[0] = output.printable("; ".join(answer.text.splitlines()))
                continue
            progress[0] = ""
            self.screen.lines(show(answer))

    async def _use(self, words: list[str]) -> None:
        if len(words) != 1:
            names = ", ".join(await self.link.names())
            raise UsageError("Which process?", f"there are {names}" if names else "", "say: :use NAME")
        await self.attach(words[0])

    async def _everywhere(self, source: str) -> None:
        if not source:
            raise UsageError("What in every process?", todo="say: :all EXPR")
        client = await self.link.connect()
        evaluating = asyncio.ensure_future(everywhere.evaluate(client, source, self.screen, self.timeout))
        try:
            if await self._finished(evaluating):
                self.failed = not evaluating.result()
        finally:
            evaluating.cancel()


def _others(place: Place) -> str:
    """That there are more processes of the same instance to go to, such as a server's workers."""
    count = len(place.others)
    names = ", ".join((*place.others[:_NAMED], *(["…"] if count > _NAMED else [])))
    more = "more " if "/" in place.process else ""
    who = f"{count} {more}process{'es' if count > 1 else ''} below {place.process.partition('/')[0]}"
    return f"{who} {'have agents' if count > 1 else 'has an agent'}: :use {names}"


def help_lines(paint: Paint, words: list[str], *, owns: bool = False) -> list[str]:
    """What `:help` says; `words`: of these commands; `owns`: the node ends with the console.

    Raises:
        UsageError: one of them is none.
    """
    from limpet_shell import helping

    if words:
        return helping.help_lines(":", paint, words)
    from textwrap import wrap

    width = min(output.columns(), helping.WIDEST)
    leaving = "stops the node and leaves" if owns else "leaves, and everything goes on"
    return [
        *wrap("Python is evaluated in the process that the prompt names; await works.", width - 1),
        "Commands for the node:",
        *helping.help_lines(":", paint),
        *wrap("In Python there are (h(name) says more of any):", width - 1),
        *listed(NAMES, width, paint),
        *wrap(_KEYS, width - 1),
        *wrap(f"F2 hides the status bar; Ctrl-D {leaving}.", width - 1),
    ]


def _read_file(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
