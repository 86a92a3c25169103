"""The example's own tests, under its own interpreter and with its own dependencies."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.postgres import requires_postgres, running

SHOP = Path(__file__).parents[2] / "examples/bookshop"
PYTHON = SHOP / ".venv/bin/python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs examples/bookshop/.venv (make install)")


def run_its_tests(**environ: str) -> None:
    done = subprocess.run(
        [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=SHOP,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_works_on_sqlite() -> None:
    run_its_tests()


@requires_postgres
def test_it_works_on_postgresql() -> None:
    with running() as url:
        run_its_tests(BOOKSHOP_TEST_DATABASE_URL=url)


def test_it_knows_limpet_in_two_places() -> None:
    """It runs without Limpet: where its configuration comes from, and where it is observed, say how."""
    imports = {
        line.strip()
        for path in SHOP.glob("bookshop/**/*.py")
        for line in path.read_text().splitlines()
        if line.strip().startswith(("import ", "from ")) and "limpet" in line
    }
    assert imports == {
        "from limpet import config",
        "from limpet import health, log, telemetry",
        "from limpet.telemetry import asgi, sqlalchemy",
    }


def test_its_dependencies_are_locked_and_have_no_limpet() -> None:
    locked = {package["name"] for package in tomllib.loads((SHOP / "uv.lock").read_text())["package"]}
    assert {"starlette", "uvicorn", "sqlalchemy", "alembic", "psycopg"} <= locked
    assert "limpet" not in locked
