"""What every test of telemetry finds: nothing attached, and a clock that it moves itself."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from limpet import telemetry
from limpet.telemetry import dispatch, poller, registry


@pytest.fixture(autouse=True)
def nothing_attached() -> Iterator[None]:
    yield
    for made in list(poller._polls.values()):
        made.stop()
    registry._series.clear()
    for handler in telemetry.list_handlers():
        if handler.id in dispatch._attached:
            telemetry.detach(handler.id)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of quarantines; `clock.now += 1` is a second later."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(dispatch, "monotonic", lambda: made.now)
    return made


class Heard(list[tuple[telemetry.Event, dict[str, Any], dict[str, Any]]]):
    """Events in order, as a handler has got them."""

    def __call__(
        self, event: telemetry.Event, measurements: Any, metadata: Any, _config: object = None
    ) -> None:
        self.append((event, dict(measurements), dict(metadata)))

    def names(self) -> list[str]:
        return [".".join(event) for event, _, _ in self]


@pytest.fixture
def heard() -> Heard:
    """A handler that remembers; attach it."""
    return Heard()
