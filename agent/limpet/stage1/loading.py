"""Modules of stage 1 that are executed when they are first needed: most processes never need most of them."""

import importlib
import sys
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

running: Final[ContextVar[Any]] = ContextVar("limpet job", default=None)
"""The job that this code runs for, of `jobs`; None: it runs for none."""


def load(name: str) -> ModuleType:
    """A module of stage 1, executed now if it has not been; no interruption of a job lands in that."""
    package = __package__ or ""
    execute = getattr(sys.modules[package], "load", None)
    if execute is None:  # a package as any other, in tests
        return importlib.import_module(f"{package}.{name}")
    job = running.get()
    found: ModuleType = execute(name) if job is None else job.shelter(execute, name)
    return found
