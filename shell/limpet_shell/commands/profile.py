"""Where a process spends its time: it is sampled for a while, and the functions that were seen are listed.

py-spy looks at it from outside, which costs the process next to nothing. Where that is not allowed (see
doctor), its agent looks from inside; such a profile is marked as GIL-biased.
-o saves all that was seen: FILE.svg is a flame graph for a browser, FILE.json is for https://speedscope.app,
any other name gets collapsed stacks. Ctrl-C ends it early, with what there is by then.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target
from limpet_supervisor.client import Client, messages
from limpet_supervisor.errors import TimedOut, UsageError

_GRACE = 30.0
"""Seconds beyond its time after which an answer is not waited for any more."""


def add_arguments(parser: ArgumentParser) -> None:
    """NAME, --seconds, --rate, --format, -o, --native, --gil, --all, --lines and --json."""
    parser.add_argument(
        "name", metavar="NAME", help="web or web.1 (the first process with an agent), web.1/PID"
    )
    parser.add_argument(
        "--seconds", type=options.duration, default=10.0, metavar="TIME", help="how long (10)"
    )
    parser.add_argument("--rate", type=float, default=100.0, metavar="N", help="samples a second (100)")
    parser.add_argument(
        "--format", choices=("collapsed", "speedscope", "svg"), help="what to write (by the name of FILE)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to; with --format and without: here")
    parser.add_argument("--native", action="store_true", help="frames of C extensions as well")
    parser.add_argument("--gil", action="store_true", help="only of who holds the GIL")
    parser.add_argument("--all", action="store_true", help="every process of NAME, together")
    parser.add_argument("--lines", action="store_true", help="tell the lines of a function apart in files")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Takes it, shows it, saves it."""
    if arguments.seconds is None:
        raise UsageError("A profile has an end", todo="say how many --seconds")
    from limpet_shell import profiles

    kind = arguments.format or profiles.format_of(arguments.output or "")
    if arguments.output:
        profiles.check_writable(arguments.output)
    request = messages.Profile(
        name=arguments.name,
        seconds=arguments.seconds,
        rate=arguments.rate,
        native=arguments.native,
        gil=arguments.gil,
        every=arguments.all,
    )
    with target.connect(arguments) as client:
        reply = _take(client, request)
    if arguments.output:
        profiles.save(arguments.output, profiles.content(reply.profiles, kind, lines=arguments.lines))
    if arguments.json:
        output.write_json({"schema": 1, "profiles": reply.profiles})
    elif arguments.format and not arguments.output:
        output.write(profiles.content(reply.profiles, kind, lines=arguments.lines), end="")
    else:
        width = output.columns() if output.stdout_is_terminal() else None
        for line in profiles.profile_lines(reply.profiles, output.painter(), width=width):
            output.write(line)
    if arguments.output:
        output.write_error(f"saved to {arguments.output} ({kind})")
    return 0


def _take(client: Client, request: messages.Profile) -> messages.ProfileReply:
    """The reply; the first Ctrl-C asks for what there is by now, the second leaves."""
    interrupted = False
    with output.Progress() as progress, client.stream(request, request.seconds + _GRACE) as stream:
        while True:
            try:
                for answer in stream:
                    if isinstance(answer, messages.ProgressItem):
                        progress(answer.text)
                    elif isinstance(answer, messages.ProfileReply):
                        return answer
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                stream.cancel()
            else:
                raise TimedOut("There was no profile")
