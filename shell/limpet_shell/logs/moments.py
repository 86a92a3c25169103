"""Times as people write them, and those that lines begin with."""

import re
import time
from typing import Final

from limpet_supervisor.errors import UsageError
from limpet_supervisor.model.units import Duration

_STAMP: Final = re.compile(
    r'(?:[\[(]|\{"(?:time|timestamp|ts|asctime)"\s*:\s*")?'
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?"
)


def moment(text: str, now: float) -> float:
    """Unix seconds of `10m` (ago), `08:30` (today, local time), `2026-11-23 08:30` or a time of RFC 3339.

    Raises:
        UsageError: it is none of these.
    """
    try:
        return now - Duration.parse(text)
    except ValueError:
        pass
    from datetime import datetime

    today = time.strftime("%Y-%m-%d", time.localtime(now))
    for candidate in (text, f"{today} {text}"):
        try:
            return datetime.fromisoformat(candidate).timestamp()
        except ValueError:
            continue
    raise UsageError(f"{text!r} is no time", todo="say 10m (ago), 08:30, or 2026-11-23T08:30:00Z")


def own(line: str) -> float | None:
    """Unix seconds that a line begins with; without a zone they are of this machine's."""
    match = _STAMP.match(line)
    if match is None:
        return None
    from datetime import datetime

    day, clock, fraction, zone = match.groups()
    try:
        found = datetime.fromisoformat(f"{day}T{clock}{zone or ''}").timestamp()
    except ValueError:
        return None
    return found + float(f"0.{fraction}") if fraction else found
