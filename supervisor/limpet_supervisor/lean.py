"""What keeps Limpet's own processes small; never done to a process that merely imports our library."""

import sys


def refuse_typing_extensions() -> None:
    """Makes `import typing_extensions` fail in this process.

    msgspec imports it where it is installed, at 25 ms and 3 MB; since Python 3.11 `typing` has all it needs.
    """
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]  # None is import's own "refused"
    modules.setdefault("typing_extensions", None)
