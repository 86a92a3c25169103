"""The files that `gen docker`, `gen ci` and `gen kubernetes` write, from templates and the configuration."""

import os
import re
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from limpet_shell import guessing, writing
from limpet_supervisor import __version__
from limpet_supervisor.model.spec import NodeSpec, ProcessSpec, SocketSpec, processes

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - inside a container, whose network says who reaches it
HEALTH_PORT: Final = 9464
"""Where an image's node serves health and metrics: the port of OpenTelemetry's Prometheus exporter."""
HEALTH_NAME: Final = "limpet-health"
"""The port's name, of 15 letters at most."""
PRE_STOP: Final = 5
"""Seconds of the preStop hook."""
STARTUP_PERIOD: Final = 2
"""Seconds between two startup probes."""


class Wanted(NamedTuple):
    """What the files are written for."""

    spec: NodeSpec
    branch: str
    image: str
    start: int
    """Seconds that the node may take until every process is ready."""
    stop: int
    """Seconds that it may take to stop them in order."""


def docker(wanted: Wanted) -> dict[str, str]:
    """Dockerfile and .dockerignore, by path below the project's directory."""
    spec = wanted.spec
    ports = [port for socket in spec.sockets if (port := port_of(socket))]
    environment = "".join(f" {name}={value}" for name, value in _variables(spec, ports).items())
    places = {
        "NAME": spec.name,
        "LIMPET": __version__,
        "PYTHON": python(),
        "DEPENDENCIES": _dependencies(spec.directory),
        "ENVIRONMENT": environment,
        "USER": spec.name.replace("_", "-")[:30],
        "PORT": str(ports[0]) if ports else "4000",
        "HEALTH": str(health_port(ports)),
        "EXPOSE": f"EXPOSE {' '.join(map(str, [*ports, health_port(ports)]))}\n\n",
        "START": str(wanted.start),
        "STOP": str(wanted.stop),
    }
    return {
        "Dockerfile": writing.fill("docker/Dockerfile.in", places),
        ".dockerignore": writing.fill("docker/dockerignore.in", places),
    }


def ci(wanted: Wanted) -> dict[str, str]:
    """A workflow of GitHub Actions."""
    spec = wanted.spec
    places = {
        "NAME": spec.name,
        "BRANCH": wanted.branch,
        "LIMPET": __version__,
        "PYTHON": python(),
        "PACKAGE": _package(spec),
        "INSTALL": _install(spec.directory),
    }
    return {".github/workflows/ci.yml": writing.fill("ci/ci.yml.in", places)}


def kubernetes(wanted: Wanted) -> dict[str, str]:
    """Manifests of a Deployment; of a Service, if it listens; of a Job, if there is a migration."""
    spec = wanted.spec
    sockets = [
        (socket.name.replace("_", "-")[:15], port) for socket in spec.sockets if (port := port_of(socket))
    ]
    ports = "".join(f"            - {{name: {name}, containerPort: {port}}}\n" for name, port in sockets)
    health = health_port([port for _, port in sockets])
    environment = "".join(
        f'            - {{name: {name}, value: "{value}"}}\n'
        for name, value in _variables(spec, [port for _, port in sockets]).items()
    )
    places = {
        "NAME": spec.name,
        "DNS": spec.name.replace("_", "-"),
        "IMAGE": wanted.image,
        "ENVIRONMENT": f"          env:\n{environment}" if environment else "",
        "PORTS": ports,
        "HEALTH": str(health),
        "HEALTH_NAME": HEALTH_NAME,
        "SERVICE_PORTS": "\n".join(
            f"    - {{name: {name}, port: {80 if number == 0 else port}, targetPort: {name}}}"
            for number, (name, port) in enumerate(sockets)
        ),
        "STOP": str(wanted.stop + PRE_STOP),
        "START": str(wanted.start),
        "STARTUP_PERIOD": str(STARTUP_PERIOD),
        "STARTS": str(-(-wanted.start // STARTUP_PERIOD)),
        "MIGRATE": _migration(spec),
    }
    files = {"kubernetes/deployment.yaml": writing.fill("kubernetes/deployment.yaml.in", places)}
    if sockets:
        files["kubernetes/service.yaml"] = writing.fill("kubernetes/service.yaml.in", places)
    if places["MIGRATE"]:
        files["kubernetes/migrate.yaml"] = writing.fill("kubernetes/migrate.yaml.in", places)
    return files


KINDS: Final[dict[str, Callable[[Wanted], dict[str, str]]]] = {
    "docker": docker,
    "ci": ci,
    "kubernetes": kubernetes,
}


def python() -> str:
    """The Python that the project is developed with, as an image's tag has it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def health_port(ports: list[int]) -> int:
    """Where the image's node serves health and metrics: none of the ports of its sockets."""
    return next(port for port in range(HEALTH_PORT, HEALTH_PORT + len(ports) + 1) if port not in ports)


def port_of(socket: SocketSpec) -> int:
    """The TCP port of a socket; 0 of a Unix socket."""
    _, colon, port = socket.bind.rpartition(":")
    return int(port) if colon and port.isdigit() and not socket.bind.startswith("unix:") else 0


def _variables(spec: NodeSpec, ports: list[int]) -> dict[str, object]:
    """What makes the node listen to the outside, if its configuration asks HOST and PORT."""
    with open(spec.source, encoding="utf-8") as file:
        text = file.read()
    found: dict[str, object] = {}
    if ports and "${HOST" in text:
        found["HOST"] = EVERYWHERE
    if ports and "${PORT" in text:
        found["PORT"] = ports[0]
    return found


def _dependencies(directory: str) -> str:
    """The layer with the dependencies alone: it fills uv's cache, which `limpet release` takes from."""
    if os.path.isfile(os.path.join(directory, "uv.lock")):
        return (
            "COPY pyproject.toml uv.lock ./\n"
            "RUN uv sync --locked --no-default-groups --no-install-project --python python3"
        )
    if os.path.isfile(os.path.join(directory, "requirements.txt")):
        return "COPY requirements.txt ./\nRUN uv venv --python python3 && uv pip install -r requirements.txt"
    return "# This project has none."


def _install(directory: str) -> str:
    if os.path.isfile(os.path.join(directory, "uv.lock")):
        return "uv sync --locked --all-extras"
    if os.path.isfile(os.path.join(directory, "requirements.txt")):
        return "uv venv && uv pip install -r requirements.txt"
    return "uv sync"


def _package(spec: NodeSpec) -> str:
    """What mypy looks at: the package of the project's name, or everything."""
    name = guessing.look_at(spec.directory).name
    for path in (name, f"src/{name}"):
        if os.path.isdir(os.path.join(spec.directory, path)):
            return path
    return "."


def _migration(spec: NodeSpec) -> str:
    """The expression of the task that is done before the others; empty if there is none."""
    found = [
        process for process in processes(spec.root) if process.ready.kind == "completed" and process.entry
    ]
    return _expression(found[0]) if found else ""


def _expression(process: ProcessSpec) -> str:
    return f"{re.sub(':', '.', process.entry)}()"
