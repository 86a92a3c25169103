"""Whether an entry can be imported, in a process of its own: main([MODULE:FUNCTION, DESCRIPTOR]).

What is wrong is written to the inherited descriptor, in a line; nothing if all is well. Exit code 0, or 78.
"""

import os
import sys
from importlib import import_module


def problem(entry: str) -> str:
    """Why `entry` cannot be run; empty if it can."""
    module_name, _, name = entry.partition(":")
    try:
        found = import_module(module_name)
    except ModuleNotFoundError as error:
        # Its own absence, or that of something it imports.
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            return f"there is no module {error.name}"
        return _raised(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the module is the user's and may raise anything
        return _raised(error)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            return f"module {module_name} has no {name}"
    return "" if callable(found) else f"{name} is not a function but {type(found).__name__}"


def _raised(error: BaseException) -> str:
    """`ImportError: … (bookshop/web.py:3)`: with the innermost line that is in a file."""
    import traceback

    where = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith("<"):
            where = f" ({frame.filename.removeprefix(os.getcwd() + os.sep)}:{frame.lineno})"
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"its import raises {text}{where}"


def main(arguments: list[str]) -> int:
    """Checks and reports; see the module's docstring."""
    entry, descriptor = arguments
    result = int(descriptor)
    # What the module starts has no business with it.
    os.set_inheritable(result, False)
    text = problem(entry)
    os.write(result, text.encode())
    # Threads that the import started, and handlers at exit, are not waited for.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(78 if text else 0)
