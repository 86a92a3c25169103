"""A PostgreSQL server of one's own, on a Unix socket, gone afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def binaries() -> Path | None:
    """Where PostgreSQL's server commands are: on PATH, or where Debian keeps those of its newest version."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


requires_postgres = pytest.mark.skipif(
    binaries() is None, reason="needs PostgreSQL (apt-get install postgresql)"
)


@contextmanager
def running() -> Iterator[str]:
    """Starts a server with a database `shop`; its URL.

    PostgreSQL refuses to run as root: then it runs as `postgres`, which Debian's package makes.
    """
    found = binaries()
    assert found is not None
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as directory:
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)

        def run(*command: str) -> None:
            subprocess.run(
                [str(found / command[0]), *command[1:]],
                check=True,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )

        run("initdb", "-D", "data", "-U", "shop", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
        options = f"-k {directory} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")
        try:
            run("createdb", "-h", directory, "-U", "shop", "shop")
            yield f"postgresql://shop@/shop?host={directory}"
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
