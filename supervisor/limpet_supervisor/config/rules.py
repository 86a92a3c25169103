"""What must hold between the fields of a process, and between processes: each rule one function.

A rule keeps silent about a field that has a problem already.
"""

from collections.abc import Iterable, Iterator, Mapping

from limpet_supervisor.model.spec import AutoShutdown, ProcessSpec, RestartType, SupervisorSpec

from .names import Path
from .read import Reader
from .wording import nearest

Places = Mapping[str, tuple[Path, ProcessSpec]]
"""Each process by name, with its path in the file."""


def check_process(reader: Reader, path: Path, spec: ProcessSpec) -> None:
    """Within one process."""
    bad = reader.bad
    if (*path, "command") not in bad and (*path, "entry") not in bad:
        if spec.command and spec.entry:
            reader.problem(path, "expected either command or entry, found both")
        elif not spec.command and not spec.entry:
            reader.problem(path, "expected command or entry, found neither")
    if (*path, "restart") not in bad and (*path, "ready") not in bad:
        completed = spec.ready.kind == "completed"
        if completed and spec.restart is RestartType.PERMANENT:
            reader.problem(
                (*path, "ready"),
                '"completed" with restart = "permanent": it would be run again and again; '
                'set restart = "transient" or "temporary"',
            )
    if spec.liveness is not None and (*path, "liveness") not in bad:
        kind = spec.liveness.kind
        if kind in ("health", "loop") and not spec.agent:
            reader.problem(
                (*path, "liveness"), f'"{kind}" with agent = false: only the agent can see that; leave it out'
            )
    if spec.log.on_full == "drop" and spec.log.file == "none" and (*path, "log") not in bad:
        reader.problem((*path, "log", "on_full"), 'there is no file that could be full: file = "none"')


def check_sockets(reader: Reader, path: Path, spec: ProcessSpec) -> None:
    """Every name in `sockets` is a socket's."""
    for index, name in enumerate(spec.sockets):
        if name not in reader.sockets:
            meant = nearest(name, reader.sockets)
            hint = f'; did you mean "{meant}"?' if meant else ""
            reader.problem((*path, "sockets", index), f'no socket "{name}"{hint}')


def check_significant(
    reader: Reader, path: Path, child: ProcessSpec | SupervisorSpec, above: SupervisorSpec
) -> None:
    """OTP's bad combinations, supervisor:check_childspec/2."""
    if not child.significant or (*path, "significant") in reader.bad:
        return
    at = (*path, "significant")
    if child.restart is RestartType.PERMANENT and (*path, "restart") not in reader.bad:
        reader.problem(
            at,
            'significant with restart = "permanent": it never ends by itself; set "transient" or "temporary"',
        )
    if above.auto_shutdown is AutoShutdown.NEVER:
        reader.problem(
            at,
            'significant below a supervisor with auto_shutdown = "never", which has no regard for it; '
            'set that to "any_significant" or "all_significant"',
        )


def check_after(reader: Reader, places: Places, present: Iterable[str] = ()) -> None:
    """Every name in `after` is a process's, or one of those `present`; and they go round in no circle."""
    known = (*places, *present)
    for path, spec in places.values():
        for index, name in enumerate(spec.after):
            if name not in known:
                stem = name.rpartition(".")[0]
                meant = stem if stem in known else nearest(name, known)
                hint = f'; did you mean "{meant}"?' if meant else f"; there is {', '.join(known)}"
                reader.problem((*path, "after", index), f'no process "{name}"{hint}')
    for circle in _circles({name: spec.after for name, (_, spec) in places.items()}):
        path, _ = places[circle[0]]
        reader.problem((*path, "after"), f"they wait for each other: {' -> '.join(circle)}")


def _circles(after: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    """Each circle once, first name repeated at its end; a walk in depth, without recursion."""
    done: set[str] = set()
    for start in after:
        if start in done:
            continue
        way = [start]
        choices = [iter(after[start])]
        while way:
            name = next(choices[-1], None)
            if name is None:
                done.add(way.pop())
                choices.pop()
            elif name in way:
                yield [*way[way.index(name) :], name]
            elif name in after and name not in done:
                way.append(name)
                choices.append(iter(after[name]))
