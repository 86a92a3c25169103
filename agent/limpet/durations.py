"""Durations as people write them: "250ms", "10s", "1m30s", or a number of seconds."""

WANTED = "a duration such as 250ms, 10s or 1m30s"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(written: str | float) -> float:
    """The seconds that are written.

    Raises:
        ValueError: it is no duration, or a negative one.
    """
    if not isinstance(written, str):
        if written >= 0:  # which NaN is not
            return float(written)
        raise ValueError(f"expected {WANTED}, found {written!r}")
    import re

    text = written.strip()
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    if text.replace(".", "", 1).isdecimal():
        return float(text)
    raise ValueError(f"expected {WANTED}, found {written!r}")
