"""`limpet new`: a project that runs at once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from limpet_shell import cli
from limpet_supervisor.config.load import load
from limpet_supervisor.model.spec import processes
from support.bookshop import ORIGINAL, requires_bookshop
from support.project import project

KINDS = pytest.mark.parametrize("kind", [(), ("--asgi",)], ids=["plain", "asgi"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return tmp_path


def test_it_runs_at_once() -> None:
    """Site, worker and migration, with what is installed for the tests alone."""
    with project() as made:
        made.limpet("new", ".")
        assert "my_site 0.1.0" in made.limpet("check")
        with made.running():
            status = json.loads(made.limpet("status", "--json"))
            assert [process["name"] for process in status["processes"]] == [
                "migrate.1",
                "web.1",
                "web.2",
                "worker.1",
            ]
            assert json.loads(made.get("/health"))["checks"] == {"database": "ok"}
            assert [json.loads(made.get("/"))["visits"] for _ in range(3)] == [1, 2, 3]
            assert (
                made.limpet("rpc", "--process", "worker", "type(my_site.worker.worker).__name__")
                == "'Worker'\n"
            )
        assert "version 1" in made.limpet("eval", "my_site.release.migrate()")


@requires_bookshop
def test_an_asgi_site_is_served_by_uvicorn() -> None:
    with project() as made:
        made.limpet("new", ".", "--asgi")
        (made.directory / ".venv").symlink_to(ORIGINAL / ".venv")  # where there is a uvicorn
        with made.running():
            assert [json.loads(made.get("/"))["visits"] for _ in range(2)] == [1, 2]
            assert json.loads(made.get("/health"))["status"] == 200


@KINDS
def test_its_own_tests_and_linters_find_nothing_wrong(here: Path, kind: tuple[str, ...]) -> None:
    assert cli.main(["new", "my-site", *kind]) == 0
    site = here / "my-site"
    commands = (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"],
        [f"{os.path.dirname(sys.executable)}/ruff", "check", "--no-cache", "."],
        [f"{os.path.dirname(sys.executable)}/ruff", "format", "--no-cache", "--check", "."],
    )
    for command in commands:
        done = subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@KINDS
def test_every_template_is_filled_in(here: Path, kind: tuple[str, ...]) -> None:
    cli.main(["new", "A site 2", *kind])
    files = [path for path in (here / "A site 2").rglob("*") if path.is_file()]
    assert [path.name for path in files if re.search("@[A-Z]+@", path.read_text())] == []
    assert (here / "A site 2/a_site_2/web.py").exists()
    spec = load(str(here / "A site 2/pyproject.toml"))
    web = next(process for process in processes(spec.root) if process.name == "web")
    assert (
        web.command[:4] == ("uvicorn", "a_site_2.web:app", "--fd", "3") if kind else web.sockets == ("http",)
    )


def test_the_asgi_application_speaks_asgi(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.main(["new", "my-site", "--asgi"])
    monkeypatch.chdir(here / "my-site")
    code = """if True:
        import asyncio, json
        from my_site import release, web
        release.migrate()
        async def ask(path):
            sent = []
            async def send(message): sent.append(message)
            await web.app({"type": "http", "path": path}, None, send)
            return sent[0]["status"], json.loads(sent[1]["body"])
        async def live():
            wanted, sent = iter(["lifespan.startup", "lifespan.shutdown"]), []
            async def receive(): return {"type": next(wanted)}
            async def send(message): sent.append(message["type"])
            await web.app({"type": "lifespan"}, receive, send)
            return sent
        print(asyncio.run(ask("/"))[1]["visits"], asyncio.run(ask("/health"))[0], asyncio.run(ask("/x"))[0])
        print(asyncio.run(live()))
    """
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.splitlines()[1:] == [
        "1 200 404",
        "['lifespan.startup.complete', 'lifespan.shutdown.complete']",
    ]


def test_what_exists_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "my-site").mkdir()
    (here / "my-site/README.md").write_text("mine")
    assert cli.main(["new", "my-site"]) == 1
    assert "my-site/README.md exists already" in capsys.readouterr().err
    assert os.listdir(here / "my-site") == ["README.md"]
    assert cli.main(["new", "my-site", "--force"]) == 0


@pytest.mark.parametrize("name", ["limpet", "class"])
def test_a_name_that_makes_no_package_is_refused(here: Path, name: str) -> None:
    assert cli.main(["new", name]) == 2
    assert os.listdir(here) == []
    assert cli.main(["new", name, "--name", "shop"]) == 0
