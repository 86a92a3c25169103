"""Which file, which release, its name and version."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from limpet_supervisor.config.load import load
from limpet_supervisor.config.names import find, node_name
from limpet_supervisor.config.python import find_python
from limpet_supervisor.errors import ConfigError
from support.configuration import golden, write

TWO = """
[project]
name = "shop"
version = "2.1.0"
[tool.limpet.releases.front]
[tool.limpet.releases.back]
version = "7"
"""


def problems(call, *arguments) -> str:
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    return "\n".join(caught.value.problems)


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    outer = write(tmp_path, 'name = "outer"')
    inner = write(tmp_path, TWO, "a/pyproject.toml")
    (tmp_path / "a/b/c").mkdir(parents=True)
    assert find(str(tmp_path / "a/b/c")) == inner
    assert find(str(tmp_path)) == outer


def test_a_pyproject_without_our_table_is_passed_by(tmp_path: Path) -> None:
    outer = write(tmp_path, 'name = "outer"')
    write(tmp_path, '[project]\nname = "limpet-user"\n', "a/pyproject.toml")
    write(tmp_path, "not [ toml", "b/pyproject.toml")
    assert find(str(tmp_path / "a")) == outer
    assert find(str(tmp_path / "b")) == outer


def test_limpet_toml_comes_before_pyproject(tmp_path: Path) -> None:
    write(tmp_path, TWO, "pyproject.toml")
    alone = write(tmp_path, 'name = "alone"')
    assert find(str(tmp_path)) == alone


def test_no_file_at_all_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No configuration found") as caught:
        find(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "[processes.web]" in caught.value.todo


def test_name_and_version_of_each_form(tmp_path: Path) -> None:
    project = write(tmp_path, TWO, "pyproject.toml")
    assert node_name(project, "front") == ("front", "2.1.0")
    assert node_name(project, "back") == ("back", "7")
    assert node_name(write(tmp_path, 'name = "alone"\nversion = "3"')) == ("alone", "3")
    assert node_name(write(tmp_path, 'name = "alone"')) == ("alone", "0.0.0")


def test_default_release_is_meant_unless_another_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, TWO + '[tool.limpet]\ndefault_release = "back"', "pyproject.toml")
    assert node_name(file) == ("back", "7")
    assert node_name(file, "front") == ("front", "2.1.0")


def test_version_from_the_project_by_package_name(tmp_path: Path) -> None:
    text = TWO.replace('"7"', '{ from_package = "Shop" }')
    assert node_name(write(tmp_path, text, "pyproject.toml"), "back") == ("back", "2.1.0")


def test_version_from_what_is_installed_for_the_application(tmp_path: Path, monkeypatch) -> None:
    """Its virtual environment is looked at, not ours; nothing of it is run."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").write_text("#!/bin/false\n")
    (tmp_path / ".venv/bin/python").chmod(0o755)
    info = tmp_path / ".venv/lib/python3.12/site-packages/shop_core-4.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-core\nVersion: 4.5\n")
    text = TWO.replace('"7"', '{ from_package = "shop-core" }')
    file = write(tmp_path, text, "pyproject.toml")
    assert node_name(file, "back") == ("back", "4.5")
    assert load(file, release="back").version == "4.5"


def test_a_dynamic_version_without_an_installation_is_the_development_version(tmp_path: Path) -> None:
    text = '[project]\nname = "nowhere-to-be-found"\ndynamic = ["version"]\n[tool.limpet.releases.a]\n'
    assert node_name(write(tmp_path, text, "pyproject.toml")) == ("a", "0.0.0")


@pytest.mark.parametrize(("text", "said"), golden("choice.txt"))
def test_what_is_unclear_is_said_by_both_readers(tmp_path: Path, text: str, said: list[str]) -> None:
    """The first line of each block names the file, and the release that is asked for."""
    header, _, content = text.partition("\n")
    name, _, release = header.removeprefix("@ ").partition(" ")
    file = write(tmp_path, content, name)
    assert problems(node_name, file, release or None).split("\n") == said
    with pytest.raises(ConfigError) as caught:
        load(file, release=release or None)
    assert list(caught.value.problems) == said


def test_a_file_that_cannot_be_read_is_an_error_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        node_name(str(tmp_path / "limpet.toml"))
    (tmp_path / "limpet.toml").write_bytes(b'name = "a"\nversion = "\xff"\n')
    assert problems(node_name, str(tmp_path / "limpet.toml")) == "limpet.toml:2: not UTF-8"


def test_a_client_that_asks_for_the_name_imports_nothing_heavy(tmp_path: Path) -> None:
    file = write(tmp_path, 'name = "a"')
    program = (
        "import sys; from limpet_supervisor.config.names import find, node_name; "
        "print(node_name(find(sys.argv[1]))); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, os.path.dirname(file)], capture_output=True, text=True, check=True
    )
    name, modules = done.stdout.splitlines()
    assert name == "('a', '0.0.0')"
    heavy = {"msgspec", "zmq", "asyncio", "psutil", "subprocess", "socket", "importlib.metadata", "difflib"}
    assert heavy.isdisjoint(modules.split())


def test_the_interpreter_is_the_active_environments_then_the_projects_then_ours(tmp_path: Path) -> None:
    assert find_python(str(tmp_path), {}) == sys.executable
    for name in ("active", ".venv"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/python").symlink_to(sys.executable)
    project = str(tmp_path / ".venv/bin/python")
    active = str(tmp_path / "active/bin/python")
    assert find_python(str(tmp_path), {}) == project
    assert find_python(str(tmp_path), {"VIRTUAL_ENV": str(tmp_path / "active")}) == active
    assert find_python(str(tmp_path), {"VIRTUAL_ENV": str(tmp_path / "gone")}) == project
