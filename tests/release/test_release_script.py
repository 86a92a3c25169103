"""bin/NAME: POSIX sh, found through links, with env.sh and mix release's variables on every command."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.release import clean_environ, linked_copy, replace, run

ENV = """
echo "$RELEASE_COMMAND $RELEASE_NAME $RELEASE_VSN $RELEASE_PROG $RELEASE_ROOT" >&2
for word in "$@"; do echo "[$word]" >&2; done
export FROM_ENV=$RELEASE_COMMAND
"""


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the small release, to be changed by `replace`."""
    return linked_copy(tiny, tmp_path / "copy of tiny")


def test_the_scripts_are_posix_shell(tiny: Path) -> None:
    for script in (*(tiny / "bin").iterdir(), tiny / "releases/1.0.0/env.sh"):
        assert run("sh", "-n", script).returncode == 0, script
        if shutil.which("dash"):
            assert run("dash", "-n", script).stderr == ""


def test_no_command_is_the_usage_and_an_unknown_one_is_an_error(tiny: Path) -> None:
    nothing = run(tiny / "bin/tiny")
    assert (nothing.returncode, nothing.stdout, "Usage: tiny COMMAND" in nothing.stderr) == (0, "", True)
    assert "  verify " in nothing.stderr
    assert "  release " not in nothing.stderr
    unknown = run(tiny / "bin/tiny", "frob")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.endswith("ERROR: Unknown command frob\n")


def test_version_works_with_nothing_running(tiny: Path) -> None:
    assert run(tiny / "bin/tiny", "version").stdout == "tiny 1.0.0\n"


@pytest.mark.parametrize("verb", ["eval", "rpc"])
def test_eval_and_rpc_want_an_expression(tiny: Path, verb: str) -> None:
    asked = run(tiny / "bin/tiny", verb)
    assert asked.returncode == 1
    assert asked.stderr == f"ERROR: {verb.upper()} expects an expression as argument\n"


def test_eval_passes_arguments_as_they_are(tiny: Path) -> None:
    shown = run(
        tiny / "bin/tiny", "eval", "import sys; print(sys.argv[1:])", "a b", "$HOME", "--json", "it's"
    )
    assert shown.stdout == "['a b', '$HOME', '--json', \"it's\"]\n"


def test_eval_tells_how_it_ended(tiny: Path) -> None:
    failed = run(tiny / "bin/tiny", "eval", "1 / 0")
    assert failed.returncode == 1
    assert failed.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert run(tiny / "bin/tiny", "eval", "raise SystemExit(7)").returncode == 7


def test_it_is_found_through_links_of_every_kind(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "absolute").symlink_to(tiny / "bin/tiny")
    (tmp_path / "relative").symlink_to(os.path.relpath(tiny / "bin/tiny", tmp_path))
    (tmp_path / "chain").symlink_to("relative")
    (tmp_path / "current").symlink_to(tiny)
    for path in ("./absolute", "./relative", "./chain", "current/bin/tiny", str(tmp_path / "chain")):
        shown = run(path, "eval", "import os; print(os.environ['RELEASE_ROOT'])", cwd=tmp_path)
        assert shown.stdout == f"{tiny}\n", path
    on_path = clean_environ(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert run("sh", "-c", "chain version", env=on_path, cwd="/").stdout == "tiny 1.0.0\n"


def test_env_sh_is_sourced_on_every_command_with_its_arguments(copy: Path) -> None:
    replace(copy / "releases/1.0.0/env.sh", ENV)
    shown = run(copy / "bin/tiny", "eval", "import os; print(os.environ['FROM_ENV'])", "a  b")
    assert shown.stdout == "eval\n"
    assert shown.stderr == (
        f"eval tiny 1.0.0 tiny {copy}\n[eval]\n[import os; print(os.environ['FROM_ENV'])]\n[a  b]\n"
    )
    for verb in ("version", "status", "pid", "stop"):
        assert run(copy / "bin/tiny", verb).stderr.startswith(f"{verb} tiny 1.0.0 tiny {copy}\n[{verb}]\n")


def test_the_variables_of_mix_release_are_set(copy: Path) -> None:
    names = (
        "RELEASE_ROOT RELEASE_NAME RELEASE_VSN RELEASE_COMMAND RELEASE_PROG RELEASE_NODE RELEASE_MODE "
        "RELEASE_DISTRIBUTION"
    )
    ask = f"import os; print(*(os.environ.get(name) for name in {names.split()!r}))"
    assert run(copy / "bin/tiny", "eval", ask).stdout.split()[-7:] == [
        "tiny", "1.0.0", "eval", "tiny", "tiny", "embedded", "sname",
    ]  # fmt: skip
    given = clean_environ(RELEASE_NODE="other", RELEASE_MODE="interactive", RELEASE_DISTRIBUTION="none")
    assert run(copy / "bin/tiny", "eval", ask, env=given).stdout.split()[-3:] == [
        "other",
        "interactive",
        "none",
    ]
    wrong = run(copy / "bin/tiny", "version", env=clean_environ(RELEASE_DISTRIBUTION="yes"))
    assert (wrong.returncode, wrong.stderr) == (
        1, "ERROR: Expected sname, name, or none in RELEASE_DISTRIBUTION, got: yes\n",
    )  # fmt: skip


def test_no_process_is_given_the_cookie(copy: Path) -> None:
    given = clean_environ(RELEASE_COOKIE="of the test")
    shown = run(copy / "bin/tiny", "eval", "import os; print('RELEASE_COOKIE' in os.environ)", env=given)
    assert shown.stdout == "False\n"


def test_a_version_that_is_not_there_is_named(copy: Path) -> None:
    refused = run(copy / "bin/tiny", "start", env=clean_environ(RELEASE_VSN="9.9.9"))
    assert refused.returncode == 1
    assert refused.stderr == f"ERROR: There is no version 9.9.9 of tiny in {copy}/releases\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "3.11.7 0.1.0 riscv64 /lib/ld-linux-riscv64.so.1 2.30",
            "built for riscv64 and /lib/ld-linux-riscv64",
        ),
        ("3.11.7 0.1.0 x86_64 {linker} 2.99", "was built with glibc 2.99; this machine has 2."),
        ("3.11.7 0.1.0 x86_64 {linker} 3.0", "was built with glibc 3.0; this machine has 2."),
    ],
    ids=["another machine", "a newer C library", "a much newer one"],
)
def test_another_platform_is_refused_with_a_sentence(copy: Path, data: str, said: str) -> None:
    file = copy / "releases/1.0.0/boot.data"
    *_, linker, glibc = file.read_text().split()
    if glibc == "-":
        pytest.skip("this is no glibc")
    replace(file, data.format(linker=linker) + "\n")
    refused = run(copy / "bin/tiny", "start")
    assert refused.returncode == 1
    assert refused.stderr.startswith("ERROR: tiny 1.0.0 ")
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_an_interpreter_that_is_gone_is_named(copy: Path) -> None:
    next(copy.glob("runtime-*")).rename(copy / "elsewhere")
    refused = run(copy / "bin/tiny", "start")
    assert refused.returncode == 1
    assert "needs the Python at " in refused.stderr


def test_commands_of_packages_find_their_interpreter_through_links(tiny: Path, tmp_path: Path) -> None:
    """As `uvicorn` does in the bookshop: lib/NAME-VSN/bin/COMMAND."""
    commands = next((tiny / "lib").iterdir()) / "bin"
    shown = subprocess.run(
        [commands / "python3", "-c", "import limpet, sys; print(limpet.__file__, sys.prefix)"],
        capture_output=True, text=True, check=True, env=clean_environ(), cwd=tmp_path,
    ).stdout.split()  # fmt: skip
    assert shown[0] == f"{commands.parent}/limpet/__init__.py"
    assert shown[1] == str(next(tiny.glob("runtime-*")))


def test_server_is_start(copy: Path) -> None:
    """Shown by what env.sh is told, for a start that is refused."""
    replace(copy / "releases/1.0.0/env.sh", 'echo "$RELEASE_COMMAND"; exit 3\n')
    served = run(copy / "bin/server")
    assert (served.returncode, served.stdout) == (3, "start\n")
