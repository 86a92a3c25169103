"""How Limpet's own processes are started, and what keeps them small; nothing here is for other processes."""

import os
import sys

_RUN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from runpy import run_module; "
    "run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def own_command(module: str) -> list[str]:
    """What starts one of our modules as we were started: in a release apart from all of the application's."""
    if not sys.flags.no_site:
        return [sys.executable, "-m", module]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return [sys.executable, "-I", "-S", "-c", _RUN, root, module]


def refuse_typing_extensions() -> None:
    """Makes `import typing_extensions` fail in this process.

    msgspec imports it where it is installed, at 25 ms and 3 MB; since Python 3.11 `typing` has all it needs.
    """
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]  # None is import's own "refused"
    modules.setdefault("typing_extensions", None)
