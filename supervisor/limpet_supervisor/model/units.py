"""Durations and sizes as people write them: "10s", "1m30s", "250ms", "64MiB"."""

import math
import re
from typing import Final, Self

_DURATION: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = {
    "": 1, "B": 1,
    "k": 1000, "kB": 1000, "K": 1024, "KiB": 1024,
    "M": 1024**2, "MB": 1000**2, "MiB": 1024**2,
    "G": 1024**3, "GB": 1000**3, "GiB": 1024**3,
}  # fmt: skip
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


class Duration(float):
    """Seconds; written as a number of seconds or with units: `"1m30s"`."""

    wanted = 'a duration such as "250ms", "10s" or "1m30s", or a number of seconds'

    @classmethod
    def parse(cls, value: object) -> Self:
        """The duration that `value` writes.

        Raises:
            ValueError: it writes none.
        """
        if isinstance(value, int | float) and not isinstance(value, bool):
            if value < 0 or math.isnan(value):
                raise ValueError(f"expected {cls.wanted}")
            return cls(value)
        if isinstance(value, str):
            text = value.strip()
            parts = _DURATION_PART.findall(text)
            if parts and "".join(number + unit for number, unit in parts) == text:
                return cls(sum(float(number) * _DURATION[unit] for number, unit in parts))
            if text.replace(".", "", 1).isdigit():
                return cls(float(text))
        raise ValueError(f"expected {cls.wanted}")


class Shutdown(Duration):
    """OTP's shutdown of a child spec: seconds to wait before the kill; 0 is brutal_kill, inf is infinity."""

    wanted = 'a duration such as "10s", "brutal_kill" or "infinity"'

    @classmethod
    def parse(cls, value: object) -> Self:
        """The shutdown that `value` writes."""
        if value == "brutal_kill":
            return cls(0.0)
        if value == "infinity":
            return cls(math.inf)
        return super().parse(value)

    def __str__(self) -> str:
        if not self:
            return "brutal_kill"
        return "infinity" if math.isinf(self) else format_duration(self)


class Size(int):
    """Bytes; written as a number of bytes or with a unit: `"64MiB"`."""

    wanted = 'a size such as "64MiB", "500MB" or a number of bytes'

    @classmethod
    def parse(cls, value: object) -> Self:
        """The size that `value` writes.

        Raises:
            ValueError: it writes none.
        """
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        if isinstance(value, str) and (match := _SIZE_FORM.fullmatch(value.strip())):
            number, unit = match.groups()
            if unit in _SIZE:
                return cls(float(number) * _SIZE[unit])
        raise ValueError(f"expected {cls.wanted}")


def format_duration(seconds: float) -> str:
    """At most two units, the way a person says it: `850ms`, `12s`, `3m 5s`, `2h 1m`, `4d 3h`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + "s"
    whole = int(seconds)
    for unit, size, lesser, lesser_size in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // lesser_size
            return f"{whole // size}{unit}" + (f" {rest}{lesser}" if rest else "")
    return f"{whole}s"


def format_size(size: float) -> str:
    """`0 B`, `812 KiB`, `31.5 MiB`, `2.1 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit in ("B", "KiB") or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError
