"""A fresh process of the application, with nothing started: for eval and check."""

from typing import NamedTuple


class FreshProcess(NamedTuple):
    """How to start one."""

    python: str
    """The application's interpreter."""
    directory: str
    environ: dict[str, str]


def prepare(file: str, release: str | None) -> FreshProcess:
    """The application's interpreter with its runtime configuration evaluated and `limpet` importable.

    Raises:
        ConfigError: the configuration, or its evaluation, failed.
    """
    from limpet_supervisor.config.load import load

    spec = load(file, release=release)
    import os

    return FreshProcess(spec.python, spec.directory, dict(os.environ))
