"""Values over time as blocks: a line of them, or several lines high."""

from collections.abc import Sequence
from typing import Final

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_NICE: Final = (1, 2, 5)


def spark(values: Sequence[float | None], *, least: float = 0.0) -> str:
    """One line, a column a value; blank where nobody looked."""
    return chart(values, 1, most=ceiling(values, least))[0]


def chart(values: Sequence[float | None], height: int, *, most: float) -> list[str]:
    """Lines from the top down, a column a value.

    Args:
        values: None: nobody looked.
        height: lines.
        most: the value that reaches the top.
    """
    lines = []
    for row in range(height - 1, -1, -1):
        cells = []
        for value in values:
            if value is None:
                cells.append(" ")
                continue
            eighths = round(8 * height * min(1.0, value / most)) if most > 0 else 0
            # What is 0 is drawn as a line at the bottom: someone looked, and there was nothing.
            floor = 1 if row == 0 else 0
            cells.append(_BLOCKS[max(floor, min(8, eighths - 8 * row))])
        lines.append("".join(cells))
    return lines


def ceiling(values: Sequence[float | None], least: float = 0.0) -> float:
    """A round number that is not below any of them, and not below `least`: 1, 2, 5, 10, 20, …."""
    highest = max((value for value in values if value is not None), default=0.0)
    if highest <= least:
        return least
    scale = 10.0**-6
    while True:
        for step in _NICE:
            if step * scale >= highest:
                return step * scale
        scale *= 10


def bar(share: float, width: int) -> str:
    """How much of something is used."""
    full = max(0, min(width, round(share * width)))
    return "█" * full + "░" * (width - full)
