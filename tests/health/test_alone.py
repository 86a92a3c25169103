"""limpet.health where there is no agent: in a test, a script, another server."""

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from limpet import health


@pytest.fixture(autouse=True)
def no_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(health, "_checks", {})


def test_registering_starts_nothing_and_leaves_the_function_as_it_is() -> None:
    before = threading.active_count()

    @health.check("database")
    async def database() -> str:
        return "ok"

    assert threading.active_count() == before
    assert asyncio.run(database()) == "ok"
    assert [check.name for check in health.checks()] == ["database"]


def test_run_tells_what_each_comes_to() -> None:
    health.check("good")(lambda: None)
    health.check("bad")(lambda: "cold")

    @health.check("slow", timeout=0.01)
    async def slow() -> None:
        await asyncio.sleep(0.5)

    assert health.run("good", "slow") == {
        "good": health.ok(),
        "slow": health.Outcome("timeout", "no result within 0.01s"),
    }
    assert health.run()["bad"] == health.failing("cold")
    with pytest.raises(LookupError, match="there is no check 'nosuch'; there are good, bad, slow"):
        health.run("nosuch")


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, "a/b", "a\n"])
def test_a_name_that_cannot_stand_in_a_url_or_label_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a check"):
        health.check(name)


@pytest.mark.parametrize("times", [{"every": 0}, {"timeout": "soon"}, {"every": float("inf")}, {"every": -1}])
def test_a_time_that_is_none_is_refused(times: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"above 0|expected a duration"):
        health.check("database", **times)


def test_what_cannot_be_called_is_refused() -> None:
    register: Any = health.check("database")
    with pytest.raises(TypeError, match="cannot be called"):
        register("SELECT 1")


def test_it_imports_nothing_that_an_application_would_not_have() -> None:
    heavy = (
        "import sys; from limpet import health; print({'asyncio', 'threading', 'inspect'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
