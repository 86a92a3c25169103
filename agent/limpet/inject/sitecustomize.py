"""Starts the agent in every Python process below a supervised one, by way of PYTHONPATH.

This file is executed by whatever Python finds it, a foreign 2.7 included: it has to parse and stay silent
there. It shadows the sitecustomize module that the application may have, so it runs that one afterwards; an
error in it surfaces exactly as if this file were not there.
"""

# ruff: noqa: ANN202 - Python 2 has no annotations
import os
import sys


def _start_agent():
    # type: () -> Exception | None
    if "LIMPET_AGENT" not in os.environ:
        return None
    if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
        return None
    try:
        from limpet import agent

        agent.start()
    except Exception as failure:  # noqa: BLE001 - an agent that fails costs the application nothing, not a line
        return failure
    return None


def _run_shadowed():
    # type: () -> None
    here = os.path.dirname(os.path.abspath(__file__))
    # Held until the end: Python 2 empties a module's globals when the last reference to it goes.
    this = sys.modules.pop("sitecustomize", None)
    before = list(sys.path)
    sys.path[:] = [entry for entry in before if os.path.abspath(entry or ".") != here]
    without = list(sys.path)
    try:
        import sitecustomize  # type: ignore[import-not-found] # noqa: F401 - the application's own
    except ImportError as failure:
        # Python 2 has no ImportError.name: its message ends in the name.
        missing = getattr(failure, "name", None) or str(failure).split(" ")[-1]
        if missing != "sitecustomize":
            raise
        if this is not None:
            sys.modules["sitecustomize"] = this
    finally:
        if sys.path == without:
            sys.path[:] = before
        else:  # it changed the path itself: keep its changes, and put our directory back
            sys.path.insert(0, here)


agent_failure = _start_agent()
_run_shadowed()
