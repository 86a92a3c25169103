"""Configurations written to a directory of their own, loaded, and what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from limpet_supervisor.config.load import load
from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import NodeSpec, ProcessSpec

CALM = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
"""For hypothesis: a busy machine is no failure."""
GOLDEN = Path(__file__).parents[1] / "config/golden"
NO_VARIABLES: Mapping[str, str] = {}


def write(directory: Path, text: str, name: str = "limpet.toml") -> str:
    """Path of a configuration with that text."""
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def load_text(directory: Path, text: str, environ: Mapping[str, str] = NO_VARIABLES) -> NodeSpec:
    """The node that a limpet.toml describes, `name = "shop"` written before it."""
    return load(write(directory, f'name = "shop"\n{text}'), environ=environ)


def load_web(directory: Path, text: str, environ: Mapping[str, str] = NO_VARIABLES) -> ProcessSpec:
    """The process `web` with these keys beside its command."""
    return load_text(directory, f'[processes.web]\ncommand = ["true"]\n{text}', environ).root.processes[0]


def problems_of(directory: Path, text: str, environ: Mapping[str, str] = NO_VARIABLES) -> list[str]:
    """What is wrong with a limpet.toml, `name = "shop"` written before it, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load_text(directory, text, environ)
    assert caught.value.exit_code == 78
    return [problem.removeprefix("limpet.toml:") for problem in caught.value.problems]


def toml(value: Any) -> str:
    """A value in TOML, inline; keys in double quotes."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = (
                f"\\u{ord(char):04x}" if char in '"\\\x7f' or ord(char) < 32 else char for char in value
            )
            return f'"{"".join(escaped)}"'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())}}}"
    return str(value)


def golden(name: str) -> list[tuple[str, list[str]]]:
    """The blocks of a golden file: TOML, and the problems it has."""
    blocks = (GOLDEN / name).read_text().split("\n---\n")[1:]
    found = []
    for block in blocks:
        text, _, said = f"\n{block.rstrip()}".partition("\n! ")
        found.append((text[1:], said.split("\n! ")))
    return found
