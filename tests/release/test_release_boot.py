"""A built bookshop boots from wherever it lies, for whoever runs it, and writes nothing where it lies."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.release import elf
from support.bookshop import requires_bookshop
from support.postgres import requires_postgres, running
from support.release import clean_environ, requires_root, run

pytestmark = requires_bookshop


class Release:
    """bin/bookshop, with a database, a port and a place for its state of its own."""

    def __init__(self, root: Path, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.root = root
        self.directory = directory
        self.prefix: tuple[str, ...] = ()
        self.environ = clean_environ(
            DATABASE_URL=f"sqlite:///{directory}/shop.db",
            SECRET_KEY_BASE="of the test",
            PORT=str(self.port),
            LIMPET_HEALTH="off",
            RELEASE_TMP=str(directory / "run"),
        )

    def __call__(self, *arguments: str, script: str = "bookshop") -> "subprocess.CompletedProcess[str]":
        command = (*self.prefix, self.root / "bin" / script, *arguments)
        return run(*command, cwd=self.directory, env=self.environ, timeout=90)

    def health(self) -> int:
        """What the site answers to a probe."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=30) as answer:
            return answer.status


@pytest.fixture
def release(shop: Path) -> Iterator[Release]:
    directory = Path(tempfile.mkdtemp(prefix="ls", dir="/tmp"))
    made = Release(shop, directory)
    try:
        yield made
    finally:
        if made("pid").returncode == 0:
            made("stop")
        shutil.rmtree(directory)


def test_a_node_boots_answers_and_stops_from_a_tree_that_was_moved(release: Release) -> None:
    started = release("daemon")
    assert started.returncode == 0, started.stderr
    assert release.health() == 200
    status = json.loads(release("status", "--json").stdout)
    assert {each["name"]: each["agent"] for each in status["processes"] if each["state"] == "running"} == {
        "web.1": "ready",
        "web.2": "ready",
        "worker.1": "ready",
    }
    assert release("pid").stdout.strip() == str(status["node"]["pid"])
    for _ in range(100):  # each look is a command; a check that has not run yet is no success
        if (asked := release("health", "--json")).returncode == 0:
            break
    assert (asked.returncode, json.loads(asked.stdout)["checks"]["database"]) == (0, "ok"), asked.stdout
    assert release("rpc", "len(bookshop.web.app.state.carts)").stdout == "0\n"
    repriced = release("rpc", "bookshop.tasks:reprice", "9781937785536", "4000", "--json")
    assert json.loads(repriced.stdout)["value"] == "'9781937785536: 4200 -> 4000 cents'"
    stopped = release("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "bookshop stopped\n")
    assert release("status").returncode == 3


def test_nothing_is_written_below_the_root(release: Release) -> None:
    before = listing(release.root)
    assert release("daemon").returncode == 0
    assert release("eval", "import email.mime.text").returncode == 0
    assert release("stop").returncode == 0
    assert listing(release.root) == before
    assert release("verify").stdout.startswith("bookshop 1.0.0: ")


@requires_root
def test_any_user_without_a_home_may_run_it_from_a_read_only_tree(release: Release) -> None:
    release.directory.chmod(0o777)
    os.chown(release.directory, 12345, 12345)
    release.prefix = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "env", "-u", "HOME")
    del release.environ["RELEASE_TMP"]
    started = release("daemon")
    try:
        assert started.returncode == 0, started.stderr
        assert release.health() == 200
        assert "/tmp/limpet-12345/bookshop" in release("paths").stdout
    finally:
        stopped = release("stop")
    assert stopped.returncode == 0, stopped.stderr


def test_only_what_is_in_the_release_is_imported(release: Release) -> None:
    """Neither the host's packages, nor a user's, nor those of who has built it."""
    release.environ |= {"PYTHONPATH": "/nonexistent/first", "PYTHONHOME": "/nonexistent"}
    shown = release("eval", "import sys; print(*sys.path[1:], sys.prefix, sys.executable, sep='\\n')")
    assert shown.returncode == 0, shown.stderr
    paths = shown.stdout.splitlines()
    assert [path for path in paths if not path.startswith(f"{release.root}/")] == []
    assert f"{release.root}/lib/bookshop-1.0.0" in paths


def test_py_spy_goes_along_and_no_other_command(release: Release) -> None:
    """The other commands of the supervisor's packages would need an interpreter where they were built."""
    (commands,) = release.root.glob("limpet-*/bin")
    assert os.listdir(commands) == ["py-spy"]
    findings = json.loads(release("doctor", "--json").stdout)["findings"]
    (found,) = (finding for finding in findings if finding["name"] == "py-spy")
    assert f"({commands}/py-spy)" in found["text"]


def test_its_libraries_are_its_own_but_for_the_c_library(release: Release) -> None:
    shown = release("eval", "import ssl, sqlite3, ctypes; print(open('/proc/self/maps').read())")
    libraries = {line.split(maxsplit=5)[5] for line in shown.stdout.splitlines() if ".so" in line}
    outside = {
        path.rpartition("/")[2].partition(".")[0]
        for path in libraries
        if not path.startswith(str(release.root))
    }
    assert outside <= {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64", "libdl", "libpthread", "librt"}


def test_migrations_run_with_the_node_down_and_with_it_up(release: Release) -> None:
    migrated = release("eval", "bookshop.release.migrate()")
    assert (migrated.returncode, "0001 -> 0002" in migrated.stdout + migrated.stderr) == (0, True)
    back = release("eval", "bookshop.release.rollback('0001')")
    assert (back.returncode, "0002 -> 0001" in back.stdout + back.stderr) == (0, True)
    assert release(script="migrate").returncode == 0
    assert release("daemon").returncode == 0
    again = release("eval", "bookshop.release.migrate()")
    assert (again.returncode, "Running" in again.stdout + again.stderr) == (0, False)


@requires_postgres
def test_migrations_run_on_postgresql(release: Release) -> None:
    with running() as url:
        release.environ["DATABASE_URL"] = url
        migrated = release("eval", "bookshop.release.migrate()")
        assert (migrated.returncode, "0001 -> 0002" in migrated.stdout + migrated.stderr) == (0, True)
        assert release("daemon").returncode == 0
        assert release.health() == 200
        back = release("eval", "bookshop.release.rollback('0001')")
        assert (back.returncode, "0002 -> 0001" in back.stdout + back.stderr) == (0, True)
        assert release("stop").returncode == 0


def test_without_its_database_the_boot_is_refused_with_a_line(release: Release) -> None:
    del release.environ["DATABASE_URL"]
    for verb in (("start",), ("daemon",), ("eval", "1"), ("check",)):
        refused = release(*verb)
        assert refused.returncode == 78, verb
        assert "DATABASE_URL is not set" in refused.stderr
        assert "releases/1.0.0/runtime.py:6" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_config_says_where_each_value_comes_from_and_no_secret(release: Release) -> None:
    release.environ["POOL_SIZE"] = "7"
    shown = release("config").stdout
    assert "of the test" not in shown
    assert release.environ["DATABASE_URL"] not in shown
    rows = {line.split()[0]: line for line in shown.splitlines()}
    assert "secret(***)" in rows["bookshop.repo.url"]
    assert rows["bookshop.repo.url"].endswith("releases/1.0.0/runtime.py:12, DATABASE_URL")
    assert rows["bookshop.repo.pool_size"].endswith("runtime.py:12, POOL_SIZE")
    assert rows["bookshop.worker.every"].endswith("default of WORKER_EVERY")
    assert "release.toml:" in rows["node.processes.web.instances"]
    values = json.loads(release("config", "bookshop.repo", "--json").stdout)["values"]
    assert [value["value"] for value in values] == ["secret(***)", "7"]


def listing(root: Path) -> list[tuple[str, int]]:
    """Every file below, with the time of its last change."""
    return sorted((str(path), path.lstat().st_mtime_ns) for path in root.rglob("*"))


def test_the_pid_of_start_is_the_scripts_and_a_restart_keeps_it(release: Release) -> None:
    with subprocess.Popen(
        [release.root / "bin/server"],
        cwd=release.directory,
        env=release.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("bookshop 1.0.0 is ready" in line for line in process.stdout)
        assert release("pid").stdout == f"{process.pid}\n"
        assert release("restart").returncode == 0
        assert release("pid").stdout == f"{process.pid}\n"
        assert release.health() == 200
        process.send_signal(15)
        process.stdout.read()
        assert process.wait(30) == 0


def test_its_unit_starts_its_own_script(release: Release) -> None:
    assert release("gen", "systemd", "--user", "www-data", "--output", "units").returncode == 0
    unit = (release.directory / "units/bookshop.service").read_text()
    assert f'ExecStart="{release.root}/bin/bookshop" start --color never\n' in unit
    assert f"WorkingDirectory={release.root}\n" in unit


def test_no_binary_needs_a_library_that_is_not_there_but_the_c_library(shop: Path) -> None:
    files = [path for path in shop.rglob("*") if path.is_file() and not path.is_symlink()]
    there = {path.name for path in files}
    wanted = {name for path in files if elf.is_elf(str(path)) for name in elf.read(str(path)).needed} - there
    c_library = {"libc", "libm", "libdl", "libpthread", "librt", "libresolv", "libutil"}
    assert {name.partition(".")[0] for name in wanted if not name.startswith("ld-linux")} <= c_library


@requires_root
def test_it_runs_where_there_is_nothing_but_a_shell_and_the_c_library(release: Release) -> None:
    """In a root directory of its own, with no Python, no C++ and no other library."""
    root = release.directory / "root"
    programs = ["sh", "readlink", "uname", "dirname"]
    if not all(shutil.which(program) for program in (*programs, "unshare", "chroot", "ldd")):
        pytest.skip("needs unshare and chroot")
    listed = run(
        "ldd", *(f"/bin/{program}" for program in programs), *release.root.glob("runtime-*/bin/python3")
    )
    wanted = {
        line.split("=>")[-1].split("(")[0].strip() for line in listed.stdout.splitlines() if "/" in line
    }
    parts = [
        path for path in wanted if str(release.root) not in path and path.startswith("/") and ":" not in path
    ]
    here = Path(next(path for path in parts if "/libc.so" in path)).parent
    parts += [
        str(path)
        for name in ("dl", "pthread", "rt", "resolv", "util", "m")
        for path in here.glob(f"lib{name}.so.*")
    ]
    for path in (*parts, *(f"/bin/{program}" for program in programs)):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    shutil.copytree(release.root, root / "srv/shop", symlinks=True)
    for directory in ("proc", "dev", "tmp"):
        (root / directory).mkdir()
    (root / "dev/null").write_text("")
    ask = (
        "import ssl, sqlite3, ctypes, uvloop, psycopg; print(psycopg.pq.__impl__); bookshop.release.migrate()"
    )
    inside = f"mount -t proc proc {root}/proc && exec chroot {root} /bin/sh -c"
    environ = "export DATABASE_URL=sqlite:////tmp/shop.db SECRET_KEY_BASE=x PORT=1 RELEASE_TMP=/tmp/run;"
    script = f"{environ} /srv/shop/bin/bookshop eval '{ask}' && /srv/shop/bin/bookshop rpc 1"
    done = run("unshare", "--mount", "--net", "sh", "-c", f'{inside} "{script}"', timeout=60)
    assert done.stdout.startswith("binary\n"), done.stderr
    assert "0001 -> 0002" in done.stdout + done.stderr
    assert done.returncode == 69, done.stderr


def test_the_byte_code_is_that_of_the_sources_and_looks_at_no_time(shop: Path) -> None:
    """PEP 552, unchecked: so it must be right, for nothing will ever find out that it is not."""
    tag = sys.implementation.cache_tag
    wrong = []
    for source in shop.rglob("*.py"):
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        if not compiled.exists():
            wrong.append(source)
            continue
        header = compiled.read_bytes()[:16]
        if header[4:8] != b"\1\0\0\0" or header[8:] != importlib.util.source_hash(source.read_bytes()):
            wrong.append(source)
    # Templates and version files of other Pythons are no modules.
    assert [path for path in wrong if path.name != "runtime.py" and compiles(path)] == []


def compiles(source: Path) -> bool:
    try:
        compile(source.read_bytes(), str(source), "exec")
    except (SyntaxError, ValueError):
        return False
    return True
