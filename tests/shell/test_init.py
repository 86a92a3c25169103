"""`limpet init` adds [tool.limpet] to a project by what its files speak of, and runs none of them."""

from pathlib import Path

import pytest

from limpet_shell import cli
from limpet_supervisor.config.load import load
from limpet_supervisor.model.spec import ProcessSpec, processes

PYPROJECT = '# mine\n[project]\nname = "My-Shop"\nversion = "2.0"\ndependencies = {}\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.chdir(site)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("PORT", raising=False)
    return site


def write(here: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def result(file: Path) -> dict[str, ProcessSpec]:
    return {process.name: process for process in processes(load(str(file)).root)}


DJANGO = {
    "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\nraise SystemExit(9)\n",
    "shop/wsgi.py": "raise SystemExit(9)\n",
    "shop/asgi.py": "",
    "shop/celery.py": "from celery import Celery\napp = Celery('shop')\n",
}


def test_django_with_gunicorn_and_celery(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, {**DJANGO, "pyproject.toml": PYPROJECT.format('["Django>=5", "gunicorn", "celery"]')})
    assert cli.main(["init"]) == 0
    assert "web: Django: shop/wsgi.py\n" in capsys.readouterr().out
    text = (here / "pyproject.toml").read_text()
    assert text.startswith("# mine\n")
    spec = load(str(here / "pyproject.toml"))
    assert (spec.name, spec.version) == ("my_shop", "2.0")
    found = result(here / "pyproject.toml")
    assert list(found) == ["migrate", "web", "celery"]
    assert found["web"].command == ("gunicorn", "shop.wsgi:application", "--bind", "fd://3")
    assert (found["web"].after, found["migrate"].ready.kind) == (("migrate",), "completed")
    assert found["celery"].command[:3] == ("celery", "--app", "shop.celery:app")


def test_django_with_uvicorn_is_asgi(here: Path) -> None:
    write(here, {**DJANGO, "requirements.txt": "django\nuvicorn[standard]>=0.3 # server\n"})
    assert cli.main(["init"]) == 0
    assert result(here / "limpet.toml")["web"].command[:2] == ("uvicorn", "shop.asgi:application")


@pytest.mark.parametrize(
    ("module", "code", "target"),
    [
        ("main.py", "from fastapi import FastAPI\napi = FastAPI()\n", "main:api"),
        (
            "src/shop/web.py",
            "import starlette.applications as s\napp: object = s.Starlette()\n",
            "shop.web:app",
        ),
    ],
)
def test_asgi_applications(
    here: Path, capsys: pytest.CaptureFixture[str], module: str, code: str, target: str
) -> None:
    write(here, {module: code, "tests/app.py": "app = FastAPI()", "pyproject.toml": PYPROJECT.format("[]")})
    (here / ".venv/lib").mkdir(parents=True)
    (here / ".venv/lib/other.py").write_text("app = FastAPI()")
    assert cli.main(["init"]) == 0
    web = result(here / "pyproject.toml")["web"]
    assert web.command == ("uvicorn", target, "--fd", "3")
    assert web.ready.target == "Application startup complete"
    assert "uvicorn is no dependency of the project yet" in capsys.readouterr().out


def test_flask(here: Path) -> None:
    write(here, {"app.py": "import flask\nsite = flask.Flask(__name__)\n", "broken.py": "def"})
    assert cli.main(["init"]) == 0
    assert result(here / "limpet.toml")["web"].command == ("gunicorn", "app:site", "--bind", "fd://3")


def test_a_procfile_says_more_than_any_guess(here: Path) -> None:
    write(here, {**DJANGO, "Procfile": "web: serve\nclock: tick\n"})
    assert cli.main(["init"]) == 0
    assert list(result(here / "limpet.toml")) == ["web", "clock"]


def test_requirements_in_a_directory_count_and_another_supervisors_file_is_pointed_at(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, {**DJANGO, "requirements/production.txt": "uvicorn\n", "circus.ini": "[circus]\n"})
    assert cli.main(["init"]) == 0
    assert result(here / "limpet.toml")["web"].command[0] == "uvicorn"
    assert "limpet import circus.ini --output -" in capsys.readouterr().out


def test_nothing_that_is_known_gives_an_example(here: Path) -> None:
    assert cli.main(["init"]) == 0
    assert list(result(here / "limpet.toml")) == ["web"]


def test_what_is_configured_already_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, {"limpet.toml": "mine"})
    assert cli.main(["init"]) == 1
    assert (here / "limpet.toml").read_text() == "mine"
    write(here, {"pyproject.toml": "[tool.limpet]\n"})
    assert cli.main(["init", "--force"]) == 1
    assert "has [tool.limpet] already" in capsys.readouterr().err


def test_a_pyproject_that_is_no_toml_is_an_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here, {"pyproject.toml": "name ="})
    assert cli.main(["init"]) == 78
    assert "pyproject.toml is no TOML" in capsys.readouterr().err
