"""Each rung of the ladder, on processes that are really stuck."""

from collections.abc import Iterator

import pytest

from limpet_supervisor.model.stacks import Rung
from limpet_supervisor.runtime import pyspy
from support.agent import MINORS, interpreter
from support.stuck import HOLDS_GIL, INNERMOST, Host, host, main_calls, why_not


@pytest.fixture(scope="module", params=MINORS, ids=lambda minor: f"3.{minor}")
def there(request: pytest.FixtureRequest) -> Iterator[Host]:
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no CPython 3.{request.param} here")
    with host(python) as made:
        yield made


@pytest.mark.parametrize("kind", HOLDS_GIL)
def test_who_holds_the_gil_in_c_is_read_from_outside(there: Host, kind: str) -> None:
    child = there.start(kind)
    found = there.look_until(child.pid, lambda found: found.rung is not Rung.AGENT)
    assert found.rung is Rung.PY_SPY, found.lacks
    assert main_calls(found)[0] == INNERMOST[kind]
    assert "no answer within" in why_not(found, Rung.AGENT)
    assert [lack.rung for lack in found.lacks] == [Rung.AGENT]


@pytest.mark.parametrize("kind", HOLDS_GIL)
def test_without_py_spy_a_signal_makes_it_write_them(
    there: Host, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyspy, "find", lambda: None)
    child = there.start(kind)
    found = there.look_until(child.pid, lambda found: found.rung is not Rung.AGENT)
    assert found.rung is Rung.FAULTHANDLER, found.lacks
    assert main_calls(found)[0] == INNERMOST[kind]
    assert child.process.poll() is None
