"""The delay before a restart: none for a first failure and a second one; then exponential, with jitter."""

from typing import Final

from limpet_supervisor.model.spec import Backoff

IMMEDIATE: Final = 2
"""Restarts in a row that do not wait: intensity, not delay, judges a process that fails now and then."""


def delay(backoff: Backoff, failures: int, chance: float) -> float:
    """Seconds to wait after the `failures`th failure in a row (1, 2, …); `chance` is uniform in [0, 1)."""
    if failures <= IMMEDIATE:
        return 0.0
    exponent = min(failures - IMMEDIATE - 1, 64)
    seconds = min(backoff.base * backoff.factor**exponent, backoff.max)
    return float(seconds * (1 + backoff.jitter * (2 * chance - 1)))
