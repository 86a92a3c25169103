"""limpet release: steps, overlays, several versions below one root, and the same bytes for the same input."""

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from support.interpreters import interpreters
from support.release import build, built, clean_environ, run, write_project

STEPS = """
from pathlib import Path

def before(release):
    assert not list(Path(release.root).iterdir())
    print("before", release.name, release.version)
    return release

def after(release):
    Path(release.root, "NOTICE").write_text("made by a step")
    return release.replace(overlays=(*release.overlays, "NOTICE"))

def nothing(release):
    pass

def fails(release):
    raise KeyError("a step's own fault")
"""


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def test_the_tree_is_that_of_a_release(tiny: Path) -> None:
    assert {path.name.partition("-")[0] for path in tiny.iterdir()} == {
        "bin", "lib", "limpet", "releases", "runtime", "tmp",
    }  # fmt: skip
    assert {path.name for path in (tiny / "releases/1.0.0").iterdir()} == {
        "boot.data", "env.sh", "manifest", "release.toml",
    }  # fmt: skip
    assert (tiny / "releases/COOKIE").stat().st_mode & 0o777 == 0o400
    version = ".".join(map(str, sys.version_info[:3]))
    assert (tiny / "releases/start_limpet.data").read_text() == f"{version} 1.0.0\n"
    assert not [
        path for path in tiny.rglob("*.py") if "site-packages" in str(path) and "_limpet" not in path.name
    ]
    assert not list(tiny.rglob("idlelib"))


def test_it_is_said_what_was_built_and_how_to_start_it(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    first = build(project)
    assert first.stdout.startswith(
        "* assembling tiny-1.0.0 on LIMPET_ENV=prod\n"
        "* skipping runtime configuration (config/runtime.py not found)\n"
    )
    assert "Release created at _build/prod/rel/tiny\n" in first.stdout
    assert "_build/prod/rel/tiny/bin/tiny start\n" in first.stdout
    asked = build(project)
    assert asked.returncode == 1
    assert "Release tiny-1.0.0 already exists. Overwrite?" in asked.stderr
    quiet = build(project, "--overwrite", "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_version_is_overwritten_only_if_that_is_said(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    root = built(project)
    cookie = (root / "releases/COOKIE").read_text()
    (root / "lib/tiny-1.0.0/stale.py").write_text("")
    assert answer(project, "n") == 1
    assert (root / "lib/tiny-1.0.0/stale.py").exists()
    assert answer(project, "y") == 0
    assert not (root / "lib/tiny-1.0.0/stale.py").exists()
    assert (root / "releases/COOKIE").read_text() == cookie


def answer(project: Path, word: str) -> int:
    """The exit code of a build whose question is answered on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "limpet_shell", "release", "--quiet"],
        cwd=project, env=clean_environ(), stdin=theirs, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{word}\n".encode())
        code = process.wait(100)
    os.close(ours)
    return code


def test_versions_lie_side_by_side_and_old_ones_are_pruned(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    root = built(project, "--version", "1.0.0")
    cookie = (root / "releases/COOKIE").read_text()
    (project / "tiny.py").write_text("def where():\n    return 'two'\n")
    built(project, "--version", "2.0.0")
    built(project, "--version", "3.0.0")
    script = root / "bin/tiny"
    assert (root / "releases/COOKIE").read_text() == cookie
    assert run(script, "version").stdout == "tiny 3.0.0\n"
    ask = ("eval", "print(tiny.where())")
    assert run(script, *ask).stdout == "two\n"
    assert run(script, *ask, env=clean_environ(RELEASE_VSN="1.0.0")).stdout == f"{root}/lib/tiny-1.0.0\n"
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        verified = run(script, "verify", env=clean_environ(RELEASE_VSN=version))
        assert verified.returncode == 0, verified.stdout
    with subprocess.Popen(["sleep", "1000"], cwd=root / "lib/tiny-1.0.0") as user:
        try:
            pruned = run(script, "prune", "--keep", "1")
        finally:
            user.kill()
    assert (
        pruned.stdout
        == f"kept: 1.0.0 is in use by pid {user.pid}\nremoved lib/tiny-2.0.0\nremoved releases/2.0.0\n"
    )
    assert "removed lib/tiny-1.0.0" in run(script, "prune", "--keep", "1").stdout
    assert sorted(path.name for path in (root / "lib").iterdir()) == ["tiny-3.0.0"]
    assert run(script, "version").stdout == "tiny 3.0.0\n"


def test_steps_of_the_project_come_before_and_after_and_change_what_is_built(tmp_path: Path) -> None:
    steps = 'steps = ["build_steps:before", "assemble", "build_steps:after", "tar"]\noverlays = ["extra"]'
    project = write_project(tmp_path, steps, {
        "build_steps.py": STEPS, "extra/etc/motd": "hello", "rel/overlays/README": "read",
        "rel/env.sh": "# of @NAME@ @VERSION@\n",
    })  # fmt: skip
    done = build(project)
    assert done.returncode == 0, done.stderr
    assert "before tiny 1.0.0" in done.stdout
    root = project / "_build/prod/rel/tiny"
    assert (root / "etc/motd").read_text() == "hello"
    assert (root / "releases/1.0.0/env.sh").read_text() == "# of tiny 1.0.0\n"
    (tmp_path / "unpacked").mkdir()
    run("tar", "xf", project / "_build/prod/tiny-1.0.0.tar.gz", cwd=tmp_path / "unpacked")
    assert tree(tmp_path / "unpacked") == tree(root) - {"releases/COOKIE"}
    assert run(tmp_path / "unpacked/bin/tiny", "verify").returncode == 0
    (root / "etc/motd").write_text("HELLO")
    (root / "NOTICE").unlink()
    (root / "lib/tiny-1.0.0/new.py").write_text("")
    verified = run(root / "bin/tiny", "verify", "--json")
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["problems"] == [
        "missing: NOTICE", "changed: etc/motd", "added: lib/tiny-1.0.0/new.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("nothing", "Expected the step build_steps:nothing to return a Release. it returned None"),
        ("fails", "The step build_steps:fails raised KeyError"),
        ("absent", "The step build_steps:absent is not there"),
    ],
)
def test_a_step_that_is_wrong_leaves_nothing(tmp_path: Path, step: str, said: str) -> None:
    project = write_project(
        tmp_path, f'steps = ["assemble", "build_steps:{step}"]', {"build_steps.py": STEPS}
    )
    failed = build(project)
    assert failed.returncode == 1
    assert said in failed.stderr
    assert left(project) == []


def left(project: Path) -> list[str]:
    """What a build has left in the place of releases."""
    place = project / "_build/prod/rel"
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


def test_two_builds_are_the_same_to_the_byte(tmp_path: Path) -> None:
    digests = set()
    for name in ("first", "a longer name of a directory"):
        project = write_project(tmp_path / name, 'python = "bundle"\nsteps = ["assemble", "tar"]')
        done = build(project, "--quiet")
        assert done.returncode == 0, done.stderr
        digests.add(hashlib.sha256((project / "_build/prod/tiny-1.0.0.tar.gz").read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("python", [*interpreters()[1:], pytest.param("/usr/bin/python3", id="the system's")])
def test_other_interpreters_are_bundled(tmp_path: Path, python: str) -> None:
    prefix = Path(python).resolve().parents[1]
    if not (prefix / "bin/python3").exists():
        pytest.skip(f"there is no {prefix}/bin/python3")
    version = run(
        prefix / "bin/python3", "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    ).stdout.strip()
    if tuple(map(int, version.split(".")[:2])) < (3, 11):
        pytest.skip(f"{prefix} is Python {version}")
    root = built(write_project(tmp_path, f'python = "{prefix}"'))
    (tmp_path / "elsewhere").mkdir()
    root = root.rename(tmp_path / "elsewhere/tiny")
    ask = "import sys, ssl, sqlite3, ctypes, lzma; print('%d.%d.%d' % sys.version_info[:3], sys.prefix)"
    shown = run(root / "bin/tiny", "eval", ask)
    assert shown.stdout == f"{version} {root}/runtime-{version}\n", shown.stderr
    environ = clean_environ(RELEASE_TMP=str(tmp_path / "run"))
    started = run(root / "bin/tiny", "daemon", env=environ)
    try:
        assert started.returncode == 0, started.stderr
        assert (
            run(root / "bin/tiny", "rpc", "tiny.where()", env=environ).stdout
            == f"'{root}/runtime-{version}'\n"
        )
    finally:
        assert run(root / "bin/tiny", "stop", env=environ).returncode == 0
