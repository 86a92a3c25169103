"""Lints about the running system."""

from typing import Any, Final

from limpet_supervisor.client import messages

from .history import FELT
from .page import Page
from .table import Column, Row, Table

_SEVERITIES: Final = {"critical": ("bad", "✗"), "warning": ("warn", "!"), "info": ("dim", "i")}
_COST: Final = 0.03
"""Seconds of work that an answer counts as: what it tells of changes slowly."""


class FindingsPage(Page):
    """Fed by Lints."""

    title = "Lints"

    def __init__(self) -> None:
        super().__init__()
        self.table: Table = Table(
            (
                Column("rule", "RULE", width=14),
                Column("process", "PROCESS", width=7, most=24),
                Column("text", "WHAT WAS SEEN", width=20),
                Column("todo", "WHAT TO DO", width=40, rank=1),
            )
        )
        self.table.ordered = False
        self.cost = _COST
        self.serious = 0
        """Findings that are more than worth to know."""

    def requests(self) -> list[messages.Request]:
        """The findings."""
        return [messages.Lints()]

    def follows(self) -> messages.Request:
        """Vitals: without them nobody knows whether a loop is blocked. Of very many processes not of all."""
        return messages.Vitals(most=FELT)

    def take(self, reply: Any) -> None:
        """Takes them."""
        if not isinstance(reply, messages.LintsReply):
            return
        rows = []
        for finding in reply.findings:
            style, sign = _SEVERITIES.get(finding.severity, ("", " "))
            cells = {
                "rule": finding.rule,
                "process": finding.process or "(the node)",
                "text": finding.text,
                "todo": finding.todo,
            }
            key = f"{finding.rule} {finding.process} {finding.text.partition(':')[0]}"
            rows.append(Row(key, cells, sign=sign, styles={"rule": style, "@": style}))
        self.serious = sum(finding.severity != "info" for finding in reply.findings)
        self.table.put(rows)
