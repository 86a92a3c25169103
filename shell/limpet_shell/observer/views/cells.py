"""Values as people read them, in few columns."""

from typing import Any

from limpet_supervisor.model.units import format_duration, format_size

from . import chart


def show(value: Any, unit: str = "") -> str:
    """One cell; `-` where it is not known.

    Args:
        value: a number, text, list (of numbers: a line over time), or anything else that has a text.
        unit: as of a column.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value, unit)
    if isinstance(value, list | tuple):
        if value and all(each is None or isinstance(each, int | float) for each in value):
            return chart.spark(value, least=10.0)
        return ", ".join(show(each) for each in value)
    return " ".join(str(value).split("\n"))


def _number(value: float, unit: str) -> str:
    match unit:
        case "bytes":
            return format_size(value)
        case "bytes change":
            return "0" if not value else f"{'+' if value > 0 else '-'}{format_size(abs(value))}"
        case "change":
            return f"{value:+,.0f}" if value else "0"
        case "seconds":
            return seconds(value)
        case "percent":
            return f"{value:.1f}%" if value < 1000 else f"{value:.0f}%"
        case "id":
            return f"{value:.0f}"
        case _:
            return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def seconds(value: float) -> str:
    """`0ms`, `12ms`, `3.4s`, `2m 5s`, `3h 20m`, `12d 3h`."""
    if value < 0.0005:
        return "0ms"
    if value < 1:
        return f"{1000 * value:.0f}ms"
    return f"{value:.1f}s" if value < 10 else format_duration(value)
