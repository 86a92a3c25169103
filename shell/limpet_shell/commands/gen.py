"""Writes files for a project from Limpet's templates: they are yours then, to read, change and commit.

limpet gen systemd       units for a node of this project: NAME.service, drop-ins, sysusers.d, tmpfiles.d
limpet gen docker        Dockerfile and .dockerignore: a release in an image without compilers or root
limpet gen ci            .github/workflows/ci.yml: lint, types, tests with PostgreSQL, a release, an image
limpet gen kubernetes    Deployment, Service, probes, and a Job that migrates, in kubernetes/
"""

import math
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from typing import Final, NamedTuple

from limpet_shell import output, shipping, target, writing
from limpet_supervisor.config.load import load
from limpet_supervisor.errors import UsageError
from limpet_supervisor.model.spec import NodeSpec, processes

TEMPLATES: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "systemd")
"""The repository's systemd/, which is also inside the installed package."""
START_MARGIN: Final = 30
"""Seconds added to the ready timeouts for systemd's TimeoutStartSec."""
STOP_MARGIN: Final = 10
"""Seconds added to the shutdowns for systemd's TimeoutStopSec."""

_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_IMAGE: Final = re.compile(r"[a-z0-9][\w./:@-]*")
_BRANCH: Final = re.compile(r"[\w./-]+")


class Generated(NamedTuple):
    """A file to write: from which template, to which path below the output directory."""

    template: str
    path: str


def add_arguments(parser: ArgumentParser) -> None:
    """What to write, for whom, where."""
    parser.add_argument("what", choices=["systemd", *shipping.KINDS], help="what to write files for")
    parser.add_argument(
        "--user", metavar="NAME", help="systemd: the service's user; default: the release's name"
    )
    parser.add_argument("--image", metavar="NAME", help="kubernetes: the image; default: NAME:VERSION")
    parser.add_argument(
        "--branch", metavar="NAME", default="main", help="ci: the branch that images come from (main)"
    )
    parser.add_argument(
        "--output", metavar="DIR", help="where to; default: the project (systemd: its systemd/)"
    )
    parser.add_argument("--force", action="store_true", help="write over files that exist")


def run(arguments: Namespace) -> int:
    """Writes the files and says what is next."""
    spec = load(target.file_of(arguments), release=arguments.release)
    return _systemd(arguments, spec) if arguments.what == "systemd" else _ship(arguments, spec)


def _ship(arguments: Namespace, spec: NodeSpec) -> int:
    image = arguments.image or f"{spec.name.replace('_', '-')}:{spec.version}"
    for text, form, what in ((image, _IMAGE, "image"), (arguments.branch, _BRANCH, "branch")):
        if not form.fullmatch(text):
            raise UsageError(
                f"{text!r} is no name of an {what}" if what == "image" else f"{text!r} is no branch"
            )
    wanted = shipping.Wanted(
        spec, arguments.branch, image, _bounded(_start_seconds(spec)), _bounded(_stop_seconds(spec))
    )
    directory = arguments.output or ("." if spec.release_root else spec.directory)
    found = shipping.KINDS[arguments.what](wanted)
    files = {os.path.join(directory, path): text for path, text in found.items()}
    writing.write(files, force=arguments.force)
    for path in files:
        output.write(f"wrote {os.path.relpath(path)}")
    return 0


def _systemd(arguments: Namespace, spec: NodeSpec) -> int:
    user = arguments.user or spec.name
    if not _USER.fullmatch(user):
        raise UsageError(f"{user!r} is no user's name", todo="use lower-case letters, digits, - and _")
    directory = arguments.output or os.path.join("." if spec.release_root else spec.directory, "systemd")
    files = {
        os.path.join(directory, path): writing.fill(template, values(spec, user), directory=TEMPLATES)
        for template, path in systemd_files(spec.name)
    }
    writing.write(files, force=arguments.force)
    for path in files:
        output.write(f"wrote {os.path.relpath(path)}")
    output.write(next_steps(spec.name, os.path.relpath(directory)))
    return 0


def systemd_files(name: str) -> tuple[Generated, ...]:
    """What is generated for a node of that name."""
    return (
        Generated("node.service.in", f"{name}.service"),
        Generated("hardening.conf.in", f"{name}.service.d/hardening.conf"),
        Generated("systemd-254.conf.in", f"{name}.service.d/systemd-254.conf"),
        Generated("sysusers.conf.in", f"sysusers.d/{name}.conf"),
        Generated("tmpfiles.conf.in", f"tmpfiles.d/{name}.conf"),
    )


def values(spec: NodeSpec, user: str) -> dict[str, str]:
    """What stands in the templates' places for this node."""
    return {
        "NAME": spec.name,
        "DESCRIPTION": f"{spec.name}, a Limpet node",
        "USER": user,
        "GROUP": group_of(user),
        "DIRECTORY": (spec.release_root or spec.directory).replace("%", "%%"),
        "START": " ".join(map(quoted, start_command(spec))),
        "START_SECONDS": seconds_to_start(spec),
        "STOP_SECONDS": seconds_to_stop(spec),
    }


def start_command(spec: NodeSpec) -> list[str]:
    """What starts the node: a release's own script, or Limpet as it is installed here."""
    if spec.release_root:
        # Not RELEASE_VSN: the unit starts the version that is the default then.
        return [os.path.join(spec.release_root, "bin", spec.name), "start", "--color", "never"]
    limpet = os.path.join(os.path.dirname(sys.executable), "limpet")
    command = [limpet] if os.access(limpet, os.X_OK) else [sys.executable, "-m", "limpet_shell"]
    return [*command, "start", "--file", spec.source, "--release", spec.name, "--color", "never"]


def seconds_to_start(spec: NodeSpec) -> str:
    """TimeoutStartSec: each process may need its ready timeout after those that it waits for."""
    return _seconds(_start_seconds(spec))


def seconds_to_stop(spec: NodeSpec) -> str:
    """TimeoutStopSec: the instances are stopped in reverse, each within its shutdown."""
    return _seconds(_stop_seconds(spec))


def _start_seconds(spec: NodeSpec) -> float:
    return sum(process.ready.timeout for process in processes(spec.root)) + START_MARGIN


def _stop_seconds(spec: NodeSpec) -> float:
    return sum(process.shutdown * process.instances for process in processes(spec.root)) + STOP_MARGIN


def _bounded(seconds: float) -> int:
    """Seconds where no infinity can be written: a day then."""
    return 86400 if math.isinf(seconds) else math.ceil(seconds)


def _seconds(value: float) -> str:
    return "infinity" if math.isinf(value) else str(math.ceil(value))


def group_of(user: str) -> str:
    """The primary group of a user who exists; sysusers.d(5) gives a new one a group of the same name."""
    import grp
    import pwd

    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return user


def quoted(word: str) -> str:
    """A word of ExecStart=, systemd.service(5): specifiers and variables are not expanded in it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@%+=:,./$-]+", word) else f'"{escaped}"'


def next_steps(name: str, directory: str) -> str:
    """What to do with the files, as root."""
    return f"""
Read them, then as root:
  cp {directory}/sysusers.d/{name}.conf /etc/sysusers.d/ && systemd-sysusers
  cp {directory}/tmpfiles.d/{name}.conf /etc/tmpfiles.d/ && systemd-tmpfiles --create
  cp -r {directory}/{name}.service {directory}/{name}.service.d /etc/systemd/system/
  systemctl daemon-reload && systemctl enable --now {name}"""
