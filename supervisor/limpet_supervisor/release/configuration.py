"""releases/VSN: the configuration as the project has it, variables left for the boot."""

import json
import os
import shutil
from typing import Any

from limpet_supervisor.config.names import BUILT
from limpet_supervisor.runtime import boot_config

from . import document
from .packages import package
from .value import Release


def evaluate(release: Release) -> dict[str, Any]:
    """What config/config.py gives, what it read, and the states of the providers; in a fresh process.

    Raises:
        ConfigError: it raises, or a provider's `init` does.
    """
    if not (release.node.config or release.node.providers):
        return {}
    environ = {**os.environ, "LIMPET_ENV": release.env, "PYTHONDONTWRITEBYTECODE": "1"}
    values = boot_config.evaluate(release.node, os.path.dirname(package("limpet")), environ, build=True)
    found: dict[str, Any] = json.loads(values.document)
    return found


def write(release: Release, built: dict[str, Any]) -> None:
    """Writes the directory of the version: release.toml, config.json, runtime.py."""
    directory = release.at(release.version_path)
    os.makedirs(directory)
    table: dict[str, Any] = {"name": release.name, "version": release.version}
    build_only = type(release.options).__struct_fields__
    table |= {key: value for key, value in release.table.items() if key not in (*build_only, *table)}
    table["config"] = _write_built(release, built)
    table["runtime_config"] = _copy_runtime_config(release)
    if states := built.get("states"):
        pairs = zip(release.table["providers"], states, strict=True)
        table["providers"] = [_with_state(provider, state) for provider, state in pairs]
    with open(os.path.join(directory, BUILT), "w", encoding="utf-8") as file:
        file.write(document.write(table))


def _write_built(release: Release, built: dict[str, Any]) -> str | bool:
    """What release.toml says of config/config.py: the file with its values."""
    if not release.node.config:
        return False
    kept = {key: built[key] for key in ("schema", "env", "values", "origins", "recorded")}
    path = f"{release.version_path}/config.json"
    with open(release.at(path), "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
        file.write("\n")
    return f"../../{path}"


def _copy_runtime_config(release: Release) -> str | bool:
    """What release.toml says of config/runtime.py: the copy."""
    if not release.node.runtime_config:
        return False
    path = f"{release.version_path}/runtime.py"
    shutil.copy(release.node.runtime_config, release.at(path))
    return f"../../{path}"


def _with_state(provider: dict[str, Any], state: Any) -> dict[str, Any]:
    """A provider with what its `init` returned: TOML has no null, so it is JSON in a string."""
    kept = {key: value for key, value in provider.items() if key != "arguments"}
    return kept if state is None else {**kept, "state": json.dumps(state)}
