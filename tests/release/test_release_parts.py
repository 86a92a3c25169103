"""The parts of a build that can be tried alone: TOML written, binaries relocated, the manifest, the steps."""

import datetime as dt
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.release import document, elf, manifest, steps, strip
from support.configuration import CALM

SCALARS = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.datetimes().map(lambda moment: moment.replace(microsecond=0))
    | st.dates()
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@CALM
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert tomllib.loads(document.write(value)) == value


def test_moments_and_special_numbers_are_written() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    value = {"at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone), "time": dt.time(1, 2), "inf": float("-inf")}
    assert tomllib.loads(document.write(value)) == value


def test_a_binary_tells_what_it_needs() -> None:
    found = elf.read(os.path.realpath("/bin/sh"))
    assert Path(found.interpreter).exists()
    assert any(name.startswith("libc.") for name in found.needed)


def test_a_file_that_is_no_binary_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\x7fEL")
    assert not elf.is_elf(str(tmp_path / "text"))


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
@pytest.mark.parametrize(
    "flags",
    [["-Wl,-rpath,/a/long/path/of/the/build", "-Wl,--enable-new-dtags"], []],
    ids=["has one", "has none"],
)
def test_a_relocated_program_finds_the_library_beside_it(tmp_path: Path, flags: list[str]) -> None:
    (tmp_path / "lib.c").write_text("int answer(void) { return 42; }")
    (tmp_path / "main.c").write_text("int answer(void); int main(void) { return answer(); }")
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib/libanswer.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "lib.c"], check=True)
    program = tmp_path / "bin"
    subprocess.run(["cc", "-o", program, tmp_path / "main.c", library, *flags], check=True)
    # Named without its directory, as a packaged library is.
    named = f"{tmp_path}/lib/libanswer.so" if str(library) in elf.read(str(program)).needed else ""
    if named:
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-Wl,-soname,libanswer.so", "-o", library, tmp_path / "lib.c"],
            check=True,
        )
        subprocess.run(["cc", "-o", program, tmp_path / "main.c", library, *flags], check=True)
    assert subprocess.run([program], check=False, capture_output=True).returncode == 127
    assert elf.relocate(str(program), "$ORIGIN/lib")
    assert elf.read(str(program)).search_path == "$ORIGIN/lib"
    assert subprocess.run([program], check=False).returncode == 42
    moved = tmp_path / "moved"
    moved.mkdir()
    program.rename(moved / "bin")
    (tmp_path / "lib").rename(moved / "lib")
    assert subprocess.run([moved / "bin"], check=False).returncode == 42


def test_a_manifest_is_what_sha256sum_reads(tmp_path: Path) -> None:
    for name in ("bin/a", "lib/x-1/b c", "releases/1/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "bin/link").symlink_to("a")
    manifest.write(str(tmp_path), "1", ["bin", "lib/x-1", "releases/1"])
    assert manifest.verify(str(tmp_path), "1") == []
    lines = (tmp_path / "releases/1/manifest").read_text().splitlines(keepends=True)
    plain = "".join(line for line in lines if not line.startswith("link "))
    checked = subprocess.run(
        ["sha256sum", "-c", "-"], cwd=tmp_path, input=plain, text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "bin/link").unlink()
    (tmp_path / "bin/link").symlink_to("b")
    assert manifest.verify(str(tmp_path), "1") == ["changed: bin/link"]


@pytest.mark.parametrize("wrong", [["assembel"], [3], [None]])
def test_steps_that_a_step_has_made_wrong_are_refused(wrong: list[Any]) -> None:
    with pytest.raises(LimpetError, match="Unknown step"):
        steps.check(wrong)
    steps.check(["assemble", "tar", print])


def test_only_what_does_not_run_is_stripped(tmp_path: Path) -> None:
    kept = [
        "a/x.py",
        "a/libz.so.1",
        "a/libq.so.2.1",
        "a/page.html",
        "tests/__init__.py",
        "a-1.dist-info/LICENSE.rst",
    ]
    gone = ["a/x.pyi", "a/x.c", "a/fast.pyx", "a/tests/test_x.py", "a/guide.rst", "a/__pycache__/x.pyc"]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    strip.strip(str(tmp_path), lambda kind: kind == "types")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*kept, "a/x.pyi"}


def test_a_node_imports_nothing_of_the_build() -> None:
    ask = "import sys, limpet_supervisor.daemon.start, limpet_shell.commands.start; "
    ask += "print([name for name in sys.modules if name.startswith('limpet_supervisor.release')])"
    shown = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
