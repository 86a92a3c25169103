"""The steps of a build: `assemble`, `tar`, and the project's functions, which get and return the release."""

import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from limpet_supervisor.errors import LimpetError

from .value import Release

BUILT_IN: Final = ("assemble", "tar")
Step = Callable[[Release], Any]


def resolve(release: Release) -> Release:
    """The release with the functions of its steps looked up, before anything is written.

    Raises:
        LimpetError: one is not there, or is no function.
    """
    return release.replace(
        steps=tuple(step if step in BUILT_IN else _find(step, release) for step in release.steps)
    )


def check(steps: Any) -> None:
    """That a list of steps makes a build, also one that a step has changed.

    Raises:
        LimpetError: it does not.
    """
    wrong = [step for step in steps if not (step in BUILT_IN or callable(step))]
    if wrong:
        raise LimpetError(f"Unknown step {wrong[0]!r}", todo='steps are "assemble", "tar" and functions')


def call(step: Step, release: Release) -> Release:
    """What a function of the project's makes of the release.

    Raises:
        LimpetError: it raises, or returns something else.
    """
    name = f"{getattr(step, '__module__', '?')}:{getattr(step, '__qualname__', step)}"
    try:
        found = step(release)
    except LimpetError:
        raise
    except Exception as error:  # noqa: BLE001 - the function is the project's and may raise anything
        lines = traceback.format_exception(
            type(error), error, error.__traceback__ and error.__traceback__.tb_next
        )
        text = "".join(f"\n  | {line}" for line in "".join(lines).splitlines())
        raise LimpetError(f"The step {name} raised {type(error).__name__}", f"{error}{text}") from None
    if not isinstance(found, Release):
        raise LimpetError(f"Expected the step {name} to return a Release", f"it returned {found!r:.200}")
    check(found.steps)
    return found


def _find(name: str, release: Release) -> Step:
    module, _, function = name.partition(":")
    for directory in (release.project, os.path.join(release.project, "src")):
        if directory not in sys.path:
            sys.path.insert(0, directory)
    try:
        found: Any = import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise LimpetError(f"The step {name} is not there", str(error)) from None
    if not callable(found):
        raise LimpetError(f"The step {name} is no function", f"it is {type(found).__name__}")
    step: Step = found
    return step
