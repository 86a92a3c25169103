"""A process of its own for one expression or one entry point: nothing else of the release is started.

    python -m limpet.fresh eval EXPR ARG…        ARGs are sys.argv[1:]; only what EXPR prints is printed
    python -m limpet.fresh run MODULE:FUNCTION   an `entry` of the configuration; a coroutine is awaited

Exit codes: 0; 1 with a traceback on stderr; what SystemExit says; 2 for a wrong command line; 130
interrupted. Names in EXPR that are modules need no import, and it may await.
"""

import os
import sys
from types import ModuleType, TracebackType
from typing import Any

_NAME = "<eval>"


def evaluate(source: str, arguments: list[str]) -> int:
    """Runs `source` as the main module with `arguments`; the exit code.

    Raises:
        SystemExit: as the source raised it.
    """
    import builtins

    from limpet.stage1.names import autoload
    from limpet.stage1.source import compile_block

    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.argv = ["eval", *arguments]

    def run() -> None:
        block = compile_block(source, _NAME, 0, lambda tree: autoload(tree, main.__dict__, vars(builtins)))
        if block.awaits:
            _await(block.steps(main.__dict__))
        else:
            block.run(main.__dict__)

    return _reporting(run)


def run_entry(entry: str) -> int:
    """Calls `module:function`, as a console script does; the exit code.

    Raises:
        SystemExit: as the function raised it, or with what it returned, if that is a number or text.
    """
    sys.argv = [entry]

    def run() -> None:
        import importlib

        module, _, names = entry.partition(":")
        found: Any = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
        result = found()
        if hasattr(type(result), "__await__"):
            result = _await(result)
        if isinstance(result, int | str):
            sys.exit(result)

    return _reporting(run)


def _await(coroutine: Any) -> Any:
    import asyncio

    async def main() -> Any:
        return await coroutine

    return asyncio.run(main())


def _reporting(run: Any) -> int:
    try:
        run()
    except KeyboardInterrupt:
        return 130
    except Exception as failure:  # noqa: BLE001 - whatever the release's code raises is shown as it is
        import traceback

        frames = failure.__traceback__
        while frames is not None and _is_ours(frames):
            frames = frames.tb_next
        sys.stdout.flush()
        traceback.print_exception(type(failure), failure, frames)
        return 1
    return 0


def _is_ours(frames: TracebackType) -> bool:
    file = frames.tb_frame.f_code.co_filename
    library = os.path.dirname(os.__file__)
    ours = (os.path.dirname(__file__), f"{library}/asyncio/", f"{library}/importlib/", "<frozen importlib")
    return file.startswith(ours)


def main(arguments: list[str]) -> int:
    """The command line; the exit code."""
    here = os.getcwd()
    if here not in sys.path:  # -P, or PYTHONSAFEPATH
        sys.path.insert(0, here)
    match arguments:
        case ["eval", source, *rest]:
            return evaluate(source, rest)
        case ["run", entry] if all(entry.partition(":")):
            return run_entry(entry)
        case _:
            sys.stderr.write("usage: python -m limpet.fresh eval EXPR ARG… | run MODULE:FUNCTION\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
