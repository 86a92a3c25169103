"""A fresh process of the application, with nothing started: for eval and check."""

import json
import os
import subprocess
import sys
from typing import Any, Final

from limpet_supervisor.config.load import load
from limpet_supervisor.daemon.ground import agent_package
from limpet_supervisor.model.spec import NodeSpec
from limpet_supervisor.runtime import boot_config, fresh, preflight, spawn

_RUN: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import limpet; del sys.path[0]; "
    "from limpet.fresh import main; sys.exit(main(sys.argv[2:]))"
)
"""Makes the package `limpet` importable, and nothing else that lies beside it."""


def become_evaluator(file: str, release: str | None, words: list[str]) -> int:
    """Becomes the application's interpreter, with its runtime configuration loaded, evaluating words[0].

    Raises:
        ConfigError: the configuration, or its evaluation, failed.
    """
    command, environ = _evaluator(file, release, words)
    sys.stdout.flush()
    os.execve(command[0], command, environ)


def evaluated(file: str, release: str | None, words: list[str]) -> tuple[int, str, str]:
    """The same in a child: its exit code, standard output and standard error. The child ends with us.

    Raises:
        ConfigError: the configuration, or its evaluation, failed.
    """
    (python, dash_c, source, *arguments), environ = _evaluator(file, release, words)
    done = subprocess.run(
        [python, dash_c, fresh.tied(source), *arguments],
        env=environ,
        close_fds=False,  # the values are in one that is to be inherited
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return code, done.stdout, done.stderr


def _evaluator(file: str, release: str | None, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of the evaluation of words[0]; we go to the project's directory."""
    spec = load(file, release=release)
    root = os.path.dirname(agent_package())
    values = boot_config.evaluate(spec, root, os.environ)
    environ = spawn.inherited(os.environ, spec)
    boot_config.hand_over(values, environ)
    os.chdir(spec.directory)
    return [spec.python, "-c", _RUN, root, "eval", *words], environ


def effective(file: str, release: str | None) -> tuple[NodeSpec, dict[str, Any]]:
    """The node, and the document of its configuration's values with the origin of each.

    Raises:
        ConfigError: the configuration, or its evaluation, failed.
    """
    spec = load(file, release=release)
    values = boot_config.evaluate(spec, os.path.dirname(agent_package()), os.environ, origins=True)
    found: dict[str, Any] = json.loads(values.document)
    return spec, found


def check(file: str, release: str | None) -> tuple[NodeSpec, dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The node, the names of what its runtime configuration sets, and what this machine lacks for it.

    Raises:
        ConfigError: the configuration, or its evaluation, failed.
    """
    spec = load(file, release=release)
    root = os.path.dirname(agent_package())
    values = boot_config.evaluate(spec, root, os.environ)
    return spec, values.names(), preflight.problems(spec, root, os.environ, values)
