"""The README's way to a running release: each command on the machine without Python prints what it says."""

import re
import shutil
import socket
import tempfile
from pathlib import Path

from support.bookshop import ROOT, requires_bookshop
from support.documents import pattern
from support.release import clean_environ, run

README = (ROOT / "README.md").read_text()


def commands() -> list[tuple[str, str]]:
    """Each `bin/bookshop` command, with what it prints."""
    (section,) = re.findall(r"^## Two minutes: a release$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^\$ (bin/bookshop .*)\n((?:(?!\$ |```).*\n)*)", section, re.MULTILINE)
    assert {line.split()[1] for line, _ in found} >= {"daemon", "status", "rpc", "verify", "stop"}
    return found


@requires_bookshop
def test_each_command_on_the_other_machine_prints_what_it_says(shop: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = Path(tempfile.mkdtemp(prefix="lr", dir="/tmp"))
    environ = clean_environ(
        DATABASE_URL=f"sqlite:///{directory}/shop.db",
        SECRET_KEY_BASE="of the test",
        PORT=str(port),
        LIMPET_HEALTH="off",
        RELEASE_TMP=str(directory / "run"),
    )
    try:
        for command, said in commands():
            done = run("/bin/sh", "-c", command, cwd=shop, env=environ, timeout=90)
            assert pattern(said).fullmatch(done.stdout), f"$ {command}\n{done.stdout}{done.stderr}"
    finally:
        if run(shop / "bin/bookshop", "pid", env=environ).returncode == 0:
            run(shop / "bin/bookshop", "stop", env=environ, timeout=90)
        shutil.rmtree(directory)
