"""Images built and run here with no registry: Debian from its mirror, buildah in a chroot, podman by runc.

All is kept in a storage of its own, which is gone afterwards; only the base system stays, in pytest's cache.
"""

import contextlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from support.bookshop import ROOT

BUILD = 900.0
"""Seconds that a build may take on a busy machine; alone it takes one minute."""
BOUND = 120.0
"""Seconds that anything else may take."""
BASE = "localhost/debian:bookworm"
CERTIFICATES = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
UV = ROOT / ".venv/bin/uv"
# As much as a container of a container may have.
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
LOCKED_UP = ("--read-only", "--cap-drop", "ALL", "--network", "none")


def missing() -> str:
    """Why nothing can be built here, or nothing."""
    if os.geteuid() != 0:
        return "need root"
    for command in ("buildah", "podman", "runc", "mmdebstrap"):
        if shutil.which(command) is None:
            return f"need {command} (apt-get install podman buildah runc mmdebstrap)"
    return "" if UV.exists() else "need uv (make install)"


requires_containers = pytest.mark.skipif(bool(missing()), reason=f"containers {missing()}")


class Storage:
    """Images and containers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._where = ("--root", str(directory / "s"), "--runroot", str(directory / "r"))

    def podman(self, *arguments: str) -> list[str]:
        """A command of podman's."""
        own = ("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--tmpdir", str(self.directory / "t"))
        return ["podman", *self._where, *own, "--events-backend", "file", *arguments]

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """Runs a command of podman's; what it printed."""
        done = subprocess.run(
            self.podman(*arguments), capture_output=True, text=True, timeout=BOUND, check=False
        )
        assert code is None or done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def make_base(self, cache: Path) -> None:
        """A small Debian, from the cache or a mirror."""
        tar = cache / "bookworm.tar"
        if not tar.exists():
            fresh = tar.with_suffix(".new")
            hooks = [f"--customize-hook=copy-in {CERTIFICATES} /etc/ssl/certs/"]
            if os.path.isdir("/etc/apt/apt.conf.d"):
                hooks.append("--customize-hook=sync-in /etc/apt/apt.conf.d /etc/apt/apt.conf.d")
            sources = "/etc/apt/sources.list.d/debian.sources"
            command = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                "--format=tar",
                "--include=ca-certificates",
            ]
            command += [*hooks, "bookworm", str(fresh), *([sources] if os.path.exists(sources) else [])]
            made = subprocess.run(command, capture_output=True, text=True, timeout=BUILD, check=False)
            if made.returncode:
                pytest.skip(f"no Debian from a mirror: {made.stderr.strip().splitlines()[-1:]}")
            fresh.rename(tar)
        inside = f"/etc/ssl/certs/{os.path.basename(CERTIFICATES)}"
        variables = [
            word for name in ("SSL_CERT_FILE", "PIP_CERT") for word in ("--change", f"ENV {name}={inside}")
        ]
        self.run("import", "--quiet", *variables, str(tar), BASE)

    def build(self, directory: Path, tag: str, **arguments: str) -> str:
        """Builds a Dockerfile; what was said."""
        command = [
            "buildah",
            *self._where,
            "build",
            "--isolation",
            "chroot",
            "--format",
            "docker",
            "--layers",
        ]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        done = subprocess.run(
            [*command, "--tag", tag, str(directory)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BUILD, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    @contextlib.contextmanager
    def running(self, name: str, *arguments: str) -> Iterator["Container"]:
        """A container in the foreground; killed at the end, should it still run."""
        process = subprocess.Popen(
            self.podman("run", "--name", name, *LIMITS, *arguments),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        container = Container(self, name, process)
        try:
            yield container
        finally:
            self.run("rm", "--force", "--time", "0", name, code=None)
            process.wait(BOUND)
            assert process.stdout
            process.stdout.close()


class Container:
    """A container that runs in the foreground."""

    def __init__(self, storage: Storage, name: str, process: "subprocess.Popen[str]") -> None:
        self.storage = storage
        self.name = name
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, text: str) -> None:
        """Waits for a line of its output; fails at its end."""
        assert self.process.stdout
        alarm = threading.Timer(BOUND, self.process.kill)
        alarm.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line.rstrip("\n"))
                if text in line:
                    return
        finally:
            alarm.cancel()
        raise AssertionError(f"it ended without {text!r}:\n" + "\n".join(self.lines))

    def execute(self, *command: str, code: int = 0) -> str:
        """Runs a command in it."""
        return self.storage.run("exec", self.name, *command, code=code)

    def stop(self) -> int:
        """Stops it as `docker stop` does; its exit code."""
        self.storage.run("stop", "--time", str(int(BOUND)), self.name)
        assert self.process.stdout
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(BOUND)


@contextlib.contextmanager
def storage(cache: Path) -> Iterator[Storage]:
    """A storage with the base image."""
    directory = Path(tempfile.mkdtemp(prefix="lp"))
    made = Storage(directory)
    try:
        made.make_base(cache)
        yield made
    finally:
        made.run("rm", "--all", "--force", "--time", "0", code=None)
        made.run("rmi", "--all", "--force", code=None)
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            point = line.split()[1]
            if point.startswith(f"{directory}/"):
                subprocess.run(["umount", "--lazy", point], check=False)
        shutil.rmtree(directory)


@contextlib.contextmanager
def wheel_of_limpet() -> Iterator[str]:
    """A requirement that installs this checkout: its wheel, served on loopback."""
    directory = tempfile.mkdtemp(prefix="lp")
    command = [UV, "build", "--quiet", "--wheel", "--out-dir", directory, ROOT]
    subprocess.run(command, check=True, timeout=BOUND)
    [name] = [name for name in os.listdir(directory) if name.endswith(".whl")]
    handler = partial(_Quiet, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"limpet @ http://127.0.0.1:{server.server_address[1]}/{name}"
        finally:
            server.shutdown()
            thread.join()
            shutil.rmtree(directory)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not logged."""
