"""OTP's restart intensity: at most `max_restarts` within any `max_seconds` (supervisor:add_restart/3)."""


def add_restart(
    restarts: tuple[float, ...], now: float, max_restarts: int, max_seconds: float
) -> tuple[tuple[float, ...], bool]:
    """The window with the restart at `now` in it, and whether that is one too many."""
    window = (*(at for at in restarts if now - at <= max_seconds), now)
    return window, len(window) > max_restarts
