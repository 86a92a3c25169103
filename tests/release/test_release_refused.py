"""What cannot be built is said in a sentence, and leaves nothing behind."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.release import BUILD_BOUND, build, clean_environ, requires_root, run, write_project

TWO = """
[tool.limpet.releases.one]
version = "1.0.0"
[tool.limpet.releases.two]
version = "1.0.0"
"""


def refused(project: Path, *arguments: str, code: int = 78, **environ: str) -> str:
    """What a build says that is refused, and before anything is written."""
    done = build(project, *arguments, **environ)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "_build").exists()
    return done.stderr


def test_no_such_release(tmp_path: Path) -> None:
    said = refused(write_project(tmp_path), "other")
    assert 'tool.limpet.releases: no such release, found "other"; there is tiny' in said


def test_two_releases_and_no_default(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TWO)
    said = refused(tmp_path)
    assert "there are several releases: one, two; set it to one, or name one" in said


def test_a_bad_name(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.limpet.releases."Not-ok"]\nversion = "1"')
    assert "expected a name of lower-case letters, digits and underscores" in refused(tmp_path)


@pytest.mark.parametrize("version", ['version = ""', 'version = "  "', "version = 1"])
def test_a_version_that_is_none(tmp_path: Path, version: str) -> None:
    assert "releases.tiny.version: expected a version such as" in refused(write_project(tmp_path, version))


def test_no_version(tmp_path: Path) -> None:
    (tmp_path / "limpet.toml").write_text('name = "tiny"\n')
    assert "No version found for tiny" in refused(tmp_path)
    assert 'The version "a b" cannot be used' in refused(tmp_path, "--version", "a b")
    assert 'The version "../../x" cannot be used' in refused(tmp_path, "--version", "../../x")


def test_an_unknown_step(tmp_path: Path) -> None:
    said = refused(write_project(tmp_path, 'steps = ["asemble"]'))
    assert 'found "asemble"; did you mean "assemble"?' in said
    said = refused(write_project(tmp_path, 'steps = ["assemble", "no_module:f"]'), code=1)
    assert "The step no_module:f is not there. No module named 'no_module'" in said


def test_a_key_that_is_wrong_where_only_a_boot_would_look(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "tiny"\nversion = "1.0.0"\n'
        '[tool.limpet.releases.tiny.processes.web]\ncommand = ["${SET_AT_BOOT}"]\nrestrat = "permanent"\n'
    )
    said = refused(tmp_path)
    assert 'restrat: unknown key; did you mean "restart"?' in said
    assert "SET_AT_BOOT" not in said


def test_dependencies_that_are_not_locked(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(
        text.replace('version = "1.0.0"\n', 'version = "1.0.0"\ndependencies = ["left-pad"]\n', 1)
    )
    failed = build(project)
    assert failed.returncode == 1
    assert "The dependencies of tiny are not locked" in failed.stderr
    assert failed.stderr.endswith("run: uv lock\n")
    assert list((project / "_build/prod/rel").iterdir()) == []


def test_requirements_without_hashes(tmp_path: Path) -> None:
    project = write_project(tmp_path, "", {"requirements.txt": "idna==3.10\n"})
    failed = build(project)
    assert failed.returncode == 1
    assert "requirements.txt has no hashes" in failed.stderr


def test_a_dependency_that_cannot_be_had(tmp_path: Path) -> None:
    digest = "0" * 64
    project = write_project(tmp_path, "", {"requirements.txt": f"idna==3.10 --hash=sha256:{digest}\n"})
    failed = build(project)
    assert failed.returncode == 1
    assert "The dependencies cannot be installed. uv ended with exit code 1" in failed.stderr
    assert "idna" in failed.stderr
    assert list((project / "_build/prod/rel").iterdir()) == []


def test_a_file_that_is_not_the_projects(tmp_path: Path) -> None:
    failed = build(write_project(tmp_path / "in", 'include = ["../secret"]', {"../secret": ""}))
    assert failed.returncode == 1
    assert f"../secret is not in {tmp_path}/in" in failed.stderr


def test_an_interpreter_that_is_none(tmp_path: Path) -> None:
    said = refused(write_project(tmp_path, 'python = "/opt/nothing"'), code=1)
    assert "Could not find a Python at /opt/nothing" in said


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MB."""
    with tempfile.TemporaryDirectory(prefix="lf", dir="/tmp") as directory:
        if subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "none", directory], check=False
        ).returncode:
            pytest.skip("tmpfs cannot be mounted here")
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", directory], check=True)


@requires_root
def test_the_place_may_be_a_file_system_of_its_own(tmp_path: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    project = write_project(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        done = build(project, "--path", str(small_disk), "--version", version)
        assert done.returncode == 0, done.stderr
        assert run(small_disk / "bin/tiny", "verify").returncode == 0
    assert [path.name for path in small_disk.iterdir() if path.name.startswith(".")] == []


@requires_root
def test_a_full_disk_leaves_nothing_half_built(tmp_path: Path, small_disk: Path) -> None:
    failed = build(write_project(tmp_path), "--path", str(small_disk / "tiny"))
    assert failed.returncode == 1
    assert "No space left on device" in " ".join(
        failed.stderr.replace("|", " ").split()
    )  # uv wraps its lines
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)], ids=["INT", "TERM"])
def test_a_build_that_is_interrupted_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    """At a step that waits, so that it is known where."""
    waits = "import sys, time\ndef waits(release):\n    print('waiting', flush=True)\n    time.sleep(1000)\n"
    project = write_project(tmp_path, 'steps = ["assemble", "steps:waits"]', {"steps.py": waits})
    with subprocess.Popen(
        [sys.executable, "-m", "limpet_shell", "release"],
        cwd=project, env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line == "waiting\n":
                break
        process.send_signal(number)
        assert process.wait(BUILD_BOUND) == code
    assert list((project / "_build/prod/rel").iterdir()) == []


def test_verify_and_prune_say_that_there_is_nothing(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    for words in (("verify",), ("prune", "--keep", "1")):
        failed = run(sys.executable, "-m", "limpet_shell", *words, cwd=project)
        assert failed.returncode == 1
        assert f"There is no release at {project}/_build/prod/rel/tiny. build one" in failed.stderr
    assert os.listdir(project) != []
