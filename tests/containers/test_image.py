"""The image of the bookshop, built as `limpet gen docker` says, and run as strictly as a container can be."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bookshop import ORIGINAL
from support.containers import BASE, LIMITS, LOCKED_UP, Storage, requires_containers, storage, wheel_of_limpet

pytestmark = [pytest.mark.root, pytest.mark.containers, pytest.mark.timeout(1800), requires_containers]

IMAGE = "localhost/bookshop:1"
ENVIRONMENT = ("--env", "DATABASE_URL=sqlite:////tmp/shop.db", "--env", "SECRET_KEY_BASE=of the test")
ANYBODY = ("--user", "12345")
ASK = "__import__('urllib.request').request.urlopen('http://127.0.0.1:4000/health').status"


class Built:
    """The image, its project and what building it took."""

    def __init__(self, storage: Storage, project: Path, arguments: dict[str, str]) -> None:
        self.storage = storage
        self.project = project
        self.arguments = arguments

    def build(self) -> str:
        """Builds it (again)."""
        return self.storage.build(self.project, IMAGE, **self.arguments)


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    project = tmp_path_factory.mktemp("image") / "bookshop"
    shutil.copytree(ORIGINAL, project, ignore=shutil.ignore_patterns(".venv", "var", "__pycache__", "_build"))
    generate = [sys.executable, "-m", "limpet_shell", "gen", "docker"]
    subprocess.run(generate, cwd=project, check=True, capture_output=True, timeout=60)
    cache = request.config.cache
    assert cache
    with storage(cache.mkdir("debian")) as made, wheel_of_limpet() as limpet:
        arguments = {
            "BUILD_IMAGE": BASE,
            "RUN_IMAGE": BASE,
            "BUILD_PACKAGES": "gcc python3-venv",
            "LIMPET": limpet,
        }
        found = Built(made, project, arguments)
        found.build()
        yield found


def test_it_runs_as_pid_1_read_only_without_capabilities_as_any_user(built: Built) -> None:
    with built.storage.running("strict", *LOCKED_UP, *ANYBODY, *ENVIRONMENT, IMAGE) as container:
        container.wait_for("bookshop 1.0.0 is ready")
        assert container.execute("bin/bookshop", "pid").strip() == "1"
        assert "4 of 4 processes ready" in container.execute("bin/bookshop", "health")
        built.storage.run("healthcheck", "run", "strict")
        assert container.execute("bin/bookshop", "rpc", "--process", "worker", ASK).strip() == "200"
        identity = container.execute("bin/bookshop", "rpc", "--process", "web", "__import__('os').getuid()")
        assert identity.strip() == "12345"
        orphan = container.execute("sh", "-c", "(sleep 0.1 & echo $!)").strip()
        # One that nobody reaps would keep its entry for ever.
        container.execute("sh", "-c", f"while [ -e /proc/{orphan} ]; do :; done")
        assert "Will assume" in container.execute("bin/bookshop", "eval", "bookshop.release.migrate()")

        assert container.stop() == 0
        said = "\n".join(container.lines)
        assert "bookshop is stopped" in said
        order = [said.index(f"stopping {name}:") for name in ("worker.1", "web.1")]
        assert order == sorted(order), "in reverse of the start"
        assert said.index("stopping web.2:") < said.index("bookshop is stopped")


def test_a_variable_that_is_missing_ends_it_with_its_line(built: Built) -> None:
    command = ("run", "--rm", *LIMITS, *LOCKED_UP, *ANYBODY, IMAGE)
    done = subprocess.run(
        built.storage.podman(*command), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 78
    assert "DATABASE_URL is not set" in done.stdout + done.stderr


def test_nothing_that_builds_is_left_in_it(built: Built) -> None:
    look = "for name in gcc cc make python3 pip uv git; do command -v $name; done; ls -d /limpet /release"
    found = built.storage.run("run", "--rm", *LIMITS, "--network=none", IMAGE, "sh", "-c", look, code=None)
    assert found == ""


def test_its_locale_is_there_and_its_user_is_not_root(built: Built) -> None:
    look = "locale -a; id -u; test -w /app || echo read-only"
    found = built.storage.run("run", "--rm", *LIMITS, "--network=none", IMAGE, "sh", "-c", look)
    assert {"en_US.utf8", "10001", "read-only"} <= set(found.split())


def test_it_says_how_it_is_run_and_how_big_it_is(built: Built, record_property) -> None:
    [image] = json.loads(built.storage.run("inspect", "--type", "image", IMAGE))
    [base] = json.loads(built.storage.run("inspect", "--type", "image", BASE))
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["bin/bookshop", "start"]
    assert config["ExposedPorts"] == {"4000/tcp": {}, "9464/tcp": {}}
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert image["Healthcheck"]["Test"] == ["CMD", "bin/bookshop", "health"]
    record_property("image_bytes", image["Size"])
    record_property("of_these_the_base", base["Size"])
    print(f"the image has {image['Size'] / 1e6:.0f} MB, {base['Size'] / 1e6:.0f} of them the base's")
    assert image["Size"] < 2 * base["Size"], "the release and a locale are smaller than a Debian"


def test_dependencies_are_not_installed_again_when_code_changes(built: Built) -> None:
    (built.project / "README.md").write_text("changed\n")
    said = built.build().split("STEP ")
    [dependencies] = [step for step in said if "RUN uv sync" in step]
    assert "Using cache" in dependencies
    [release] = [step for step in said if "RUN limpet release" in step]
    assert "assembling bookshop-1.0.0" in release
