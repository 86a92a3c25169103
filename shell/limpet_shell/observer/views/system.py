"""The System page: facts, what can run out, how the load has been."""

from limpet_shell.observer.state.series import Series
from limpet_shell.observer.state.system import SystemPage
from limpet_shell.output import printable
from limpet_supervisor.model.figures import Limit
from limpet_supervisor.model.units import format_duration

from .cells import show
from .chart import bar, ceiling, chart
from .frame import Frame, fit

_LABEL = 10
_NEAR = 0.85
_CHART_LINES = 8


def draw(page: SystemPage, frame: Frame, interval: float) -> None:
    """Fills the frame."""
    system = page.system
    if system is None:
        frame.add(("dim", "looking"))
        return
    node, own, host = system.node, system.own, system.host
    _fact(
        frame,
        "Node",
        f"{node.name} {node.version}",
        f"Limpet {own.limpet}",
        f"Python {own.python}",
        f"pid {own.pid}",
    )
    load = " ".join(f"{each:.2f}" for each in host.load)
    cpus = f"{host.cpus} CPU{'s' if host.cpus != 1 else ''}"
    if host.quota is not None:
        cpus += f", {host.quota:g} by the control group"
    _fact(frame, "Host", host.name, host.kernel, cpus, f"up {format_duration(host.uptime)}", f"load {load}")
    cpu = show(page.own_cpu.last, "percent")
    counts = (f"{show(own.fds)} descriptors", f"{own.threads} threads", f"{own.agents} agents")
    _fact(frame, "Itself", f"CPU {cpu}", show(own.memory, "bytes"), *counts)
    states = [f"{count} {state}" for state, count in sorted(page.states.items(), key=lambda each: -each[1])]
    _fact(frame, "Processes", f"{node.ready} of {node.wanted} ready", *states)
    for socket in system.sockets:
        waiting = "" if socket.waiting is None else f"{socket.waiting} of {socket.backlog} wait"
        _fact(frame, "Socket", socket.name, socket.bind, waiting)
    frame.blank()
    _limits(system.limits, frame)
    frame.blank()
    _charts(page, frame, interval)


def _fact(frame: Frame, label: str, first: str, *more: str) -> None:
    text = " · ".join(part for part in more if part)
    frame.add(
        ("key", fit(label, _LABEL)), ("", printable(first)), ("", printable(f" · {text}" if text else ""))
    )


def _limits(limits: tuple[Limit, ...], frame: Frame) -> None:
    """The fullest first; those for which there is no room are the emptiest."""
    room = max(1, frame.left - 6)
    name = min(34, max((len(limit.name) for limit in limits), default=5))
    bars = max(0, min(40, frame.width - name - 31))
    heading = (("LIMIT", name), ("USED", -9), ("LIMIT", -10), ("%", -5))
    titles = (fit(text, abs(width), right=width < 0) for text, width in heading)
    frame.add(("title", " ".join(titles)))
    shown = sorted(limits, key=lambda each: -each.share)[:room]
    for limit in shown:
        near = limit.share > _NEAR
        style = "bad" if near else ""
        used, most = show(_whole(limit.used), limit.unit), show(_whole(limit.limit), limit.unit)
        text = f"{fit(limit.name, name)} {fit(used, 9, right=True)} {fit(most, 10, right=True)}"
        share = f"{100 * limit.share:4.0f}%"
        frame.add(
            (style, text),
            (style, f" {share}"),
            (style or "bar", f" {bar(limit.share, bars)}"),
            (style, " !" * near),
        )


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _charts(page: SystemPage, frame: Frame, interval: float) -> None:
    """CPU, memory, restarts and lag over time; a column is a refresh."""
    history = page.history
    charts: tuple[tuple[str, Series, str, float], ...] = (
        ("CPU", history.cpu, "percent", 100.0),
        ("Host CPU", page.host_cpu, "percent", 100.0),
        ("Memory", history.memory, "bytes", 0.0),
        ("Restarts", history.restarts, "", 1.0),
        ("Lag", history.lag, "seconds", 0.1),
    )
    known = [each for each in charts if each[1].last is not None]
    if not known or frame.left < 1:
        return
    known = known[: frame.left]
    lines = max(1, min(_CHART_LINES, frame.left // len(known)))
    apart = lines > 2
    lines -= apart
    width = frame.width - _LABEL - 10 - 1
    for label, series, unit, least in known:
        values = series.bins(max(1, width), interval)
        most = (
            ceiling(values, least) if unit != "bytes" else max(1.0, *(value or 0 for value in values)) * 1.25
        )
        drawn = chart(values, lines, most=most)
        for number, text in enumerate(drawn):
            last = number == lines - 1
            named = fit(label if last else "", _LABEL)
            value = fit(
                show(series.last, unit) if last else show(most, unit) if not number else "", 9, right=True
            )
            frame.add(("key", named), ("" if last else "dim", f"{value} "), ("chart", text))
        if apart:
            frame.blank()
