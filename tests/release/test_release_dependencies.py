"""What an application depends on, in its own versions, by uv or pip; and projects of several shapes."""

import sys
from pathlib import Path

import pytest

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.release import build as building
from limpet_supervisor.release import dependencies
from support.release import BUILD_BOUND, build, clean_environ, run, write_project

OLD = {
    "pyzmq": "26.4.0",
    "psutil": "6.1.1",
    "prompt_toolkit": "3.0.47",
    "msgspec": "0.20.0",
    "wcwidth": "0.2.13",
}
UV = dependencies.find_uv()


def locked(project: Path, *requirements: str) -> None:
    """Writes a requirements.txt with hashes, as uv finds them."""
    if UV is None:
        pytest.skip("needs uv")
    (project / "requirements.in").write_text("\n".join(requirements))
    command = (
        UV,
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
        "requirements.in",
        "-o",
        "requirements.txt",
    )
    done = run(*command, "--python", sys.executable, cwd=project, timeout=BUILD_BOUND)
    if done.returncode:
        pytest.skip(f"no package registry can be reached: {done.stderr.strip().splitlines()[-1]}")


def test_no_version_of_the_applications_meets_one_of_the_supervisors(tmp_path: Path) -> None:
    project = write_project(tmp_path, 'python = "bundle"')
    locked(project, *(f"{name}=={version}" for name, version in OLD.items()))
    done = build(project)
    assert done.returncode == 0, done.stderr
    script = project / "_build/prod/rel/tiny/bin/tiny"
    environ = clean_environ(RELEASE_TMP=str(tmp_path / "run"))
    started = run(script, "daemon", env=environ)
    try:
        assert started.returncode == 0, started.stderr
        ask = "import msgspec, prompt_toolkit, psutil, zmq; print(zmq.__version__, psutil.__version__, "
        ask += "prompt_toolkit.__version__, msgspec.__version__)"
        shown = run(script, "rpc", ask, env=environ)
        assert shown.stdout == "26.4.0 6.1.1 3.0.47 0.20.0\n", shown.stderr
        assert run(script, "status", env=environ).returncode == 0
    finally:
        assert run(script, "stop", env=environ).returncode == 0


def test_without_uv_it_is_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "find_uv", lambda: None)
    project = write_project(tmp_path, "", {"requirements.txt": ""})
    said: list[str] = []
    plan = building.plan(str(project / "pyproject.toml"), None, environ=clean_environ())
    building.build(plan, say=said.append, progress=said.append)
    assert "installing dependencies with pip" in said
    assert run(project / "_build/prod/rel/tiny/bin/tiny", "eval", "print(1)").stdout == "1\n"


def test_without_either_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "find_uv", lambda: None)
    monkeypatch.setattr(dependencies, "find_spec", lambda _name: None)
    plan = building.plan(str(write_project(tmp_path) / "pyproject.toml"), None, environ=clean_environ())
    with pytest.raises(LimpetError, match="There is neither uv nor pip here"):
        building.build(plan, say=print, progress=print)
    assert list((tmp_path / "_build/prod/rel").iterdir()) == []


def test_a_package_with_sources_apart_and_commands_of_its_own(tmp_path: Path) -> None:
    """By setuptools, whose leavings in the project must not find their way into the next build."""
    (tmp_path / "src/shelf").mkdir(parents=True)
    (tmp_path / "src/shelf/__init__.py").write_text(
        "def main():\n    import sys\n    print('shelf', sys.argv[1:])\n"
    )
    (tmp_path / "src/shelf/books.txt").write_text("one\n")
    (tmp_path / "build/lib/shelf").mkdir(parents=True)
    (tmp_path / "build/lib/shelf/stale.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "shelf"\nversion = "2.0"\nscripts = { shelf-say = "shelf:main" }\n'
        '[tool.setuptools.package-data]\nshelf = ["*.txt"]\n'
        '[tool.limpet.releases.shelf]\npython = "host"\ninclude = ["notes/a.txt"]\n'
    )
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("")
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    library = tmp_path / "_build/prod/rel/shelf/lib/shelf-2.0"
    found = {str(path.relative_to(library)) for path in library.rglob("*") if path.suffix in (".py", ".txt")}
    assert {path for path in found if not path.startswith(("limpet/", "shelf-2.0.dist-info/"))} == {
        "shelf/__init__.py", "shelf/books.txt", "notes/a.txt",
    }  # fmt: skip
    (tmp_path / "link").symlink_to(library / "bin/shelf-say")
    assert run(library / "bin/shelf-say", "a b").stdout == "shelf ['a b']\n"
    assert run(tmp_path / "link", "c").stdout == "shelf ['c']\n"
    assert not list(tmp_path.glob("*.egg-info"))


def test_what_does_not_run_is_left_out_unless_it_is_kept(tmp_path: Path) -> None:
    files = {
        "tiny.pyi": "", "tests/__init__.py": "", "pack/__init__.py": "", "pack/fast.c": "", "conftest.py": "",
        "setup.cfg": "", "notes.txt": "",
    }  # fmt: skip
    project = write_project(tmp_path, "", files)
    done = build(project, "--quiet")
    assert done.returncode == 0, done.stderr
    library = project / "_build/prod/rel/tiny/lib/tiny-1.0.0"
    names = {path.name for path in library.iterdir()} - {"bin", "lib", "limpet", "__pycache__"}
    assert names == {"limpet.pth", "limpet.start", "pyvenv.cfg", "tiny.py", "pack"}


def test_the_name_of_a_command_that_is_no_script_is_kept(tmp_path: Path) -> None:
    """`include` brings directories as they are, with what is executable in them."""
    project = write_project(
        tmp_path, 'include = ["tiny.py", "tools"]', {"tools/say": "#!/bin/sh\necho said\n"}
    )
    (project / "tools/say").chmod(0o755)
    done = build(project, "--quiet")
    assert done.returncode == 0, done.stderr
    assert run(project / "_build/prod/rel/tiny/lib/tiny-1.0.0/tools/say").stdout == "said\n"
