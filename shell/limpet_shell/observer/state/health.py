"""Health: each check of each process, and the node's own."""

from typing import Any, Final

from limpet_supervisor.client import messages
from limpet_supervisor.model.health import Line, Status

from .page import Page
from .table import Column, Row, Table

_STYLES: Final = {
    Status.OK: ("good", "●"),
    Status.WARNING: ("warn", "!"),
    Status.UNKNOWN: ("dim", "○"),
    Status.FAILING: ("bad", "✗"),
    Status.TIMEOUT: ("bad", "✗"),
}


class HealthPage(Page):
    """Fed by Health."""

    title = "Health"

    def __init__(self) -> None:
        super().__init__()
        self.table: Table = Table(
            (
                Column("check", "CHECK", width=12, most=30),
                Column("status", "STATUS", width=8),
                Column("process", "PROCESS", width=8, most=24),
                Column("age", "AGE", "seconds", width=5),
                Column("took", "TOOK", "seconds", width=5, rank=1),
                Column("counts", "COUNTS", width=6, rank=2),
                Column("reason", "REASON", width=12),
            )
        )
        self.table.ordered = False
        self.status = 0
        """200 or 503, as /health says."""

    def requests(self) -> list[messages.Request]:
        """The checks."""
        return [messages.Health()]

    def take(self, reply: Any) -> None:
        """Those that are not well first."""
        if isinstance(reply, messages.HealthReply):
            self.status = reply.status
            lines = sorted(reply.lines, key=lambda line: line.status in (Status.OK, Status.UNKNOWN))
            self.table.put(_row(line) for line in lines)


def _row(line: Line) -> Row:
    style, sign = _STYLES[line.status]
    cells = {
        "check": line.check,
        "status": line.status.value,
        "process": line.process or "(the node)",
        "age": line.age,
        "took": line.took,
        "counts": "yes" if line.critical else "no",
        "reason": line.reason,
    }
    return Row(f"{line.check} {line.process}", cells, sign=sign, styles={"status": style, "@": style})
