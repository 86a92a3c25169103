"""The answer to Logs: the last lines of processes, then new ones.

What to show of them is the client's business: no pattern of a user's is matched here to keep the loop.
"""

from limpet_supervisor.runtime.history import Batch
from limpet_supervisor.runtime.listeners import batches
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.wire import messages as m

from .control import Answer


def answer(output: Output, names: tuple[str, ...], request: m.Logs, to: Answer) -> None:
    """Answers `request`, which means the instances `names`; to follow all means those to come as well."""

    def tell(name: str, lines: Batch) -> None:
        to.item(m.LogItem(process=name, lines=tuple(lines), times=tuple(lines.times), more=lines.more))

    def past(cut: list[str]) -> None:
        to.item(m.LogsPast(cut=tuple(cut)))

    if not request.follow:

        def read(found: dict[str, Batch]) -> None:
            for name, lines in found.items():
                for batch in batches(lines):
                    tell(name, batch)
            past([name for name, lines in found.items() if lines.cut])
            to.reply(m.StreamEnd())

        output.read_last(names, request.lines, read)
        return
    follower = output.follow(names if request.names else None, tell, last=request.lines, past=past)

    def end() -> None:
        to.dropped += follower.dropped
        follower.cancel()
        to.reply(m.StreamEnd())

    to.until_gone(end)
