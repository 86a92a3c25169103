"""`eval` and `run` in a process of their own."""

import pytest

from support.agent import Daemon


def fresh(node: Daemon, *arguments: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
    (node.directory / "shop").mkdir(exist_ok=True)
    (node.directory / "shop" / "__init__.py").write_text("")
    (node.directory / "shop" / "release.py").write_text("""
import asyncio, sys
def migrate(): print("migrated")
def broken(): return 1 / 0
def answer(): return 3
def text(): return "no luck"
async def later():
    await asyncio.sleep(0)
    print("later", sys.argv)
""")
    return node.start(*options, "-m", "limpet.fresh", *arguments, environment={"LIMPET_AGENT": ""}).finish()


@pytest.mark.parametrize(
    ("source", "code", "out"),
    [("shop.release.migrate()", 0, "migrated\n"), ("1 + 1", 0, ""),
     ("print(sys.argv)", 0, "['eval', 'a', 'b c']\n"),
     ("await shop.release.later()", 0, "later ['eval', 'a', 'b c']\n"), ("sys.exit(7)", 7, ""),
     ("exit()", 0, ""),
     ("x = 5\nprint(x)", 0, "5\n"), ("print(__name__)", 0, "__main__\n")],
)  # fmt: skip
def test_eval_prints_what_the_expression_prints(node: Daemon, source: str, code: int, out: str) -> None:
    assert fresh(node, "eval", source, "a", "b c") == (code, out, "")


@pytest.mark.parametrize(
    ("source", "last"),
    [("1/0", "ZeroDivisionError: division by zero"),
     ("shop.release.broken()", "ZeroDivisionError: division by zero"),
     ("nosuch.thing()", "NameError: name 'nosuch' is not defined"), ("x =", "SyntaxError: invalid syntax"),
     ("await shop.nosuch()", "AttributeError: module 'shop' has no attribute 'nosuch'")],
)  # fmt: skip
def test_an_error_is_a_traceback_on_stderr_and_code_1(node: Daemon, source: str, last: str) -> None:
    code, out, err = fresh(node, "eval", source)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == last
    assert source in err
    assert "limpet" not in err
    assert "asyncio" not in err


def test_the_projects_directory_is_importable_whatever_the_options(node: Daemon) -> None:
    assert fresh(node, "eval", "shop.release.migrate()", options=("-P",)) == (0, "migrated\n", "")


@pytest.mark.parametrize(
    ("entry", "code", "out", "err"),
    [("shop.release:migrate", 0, "migrated\n", ""),
     ("shop.release:later", 0, "later ['shop.release:later']\n", ""),
     ("shop.release:answer", 3, "", ""), ("shop.release:text", 1, "", "no luck\n")],
)  # fmt: skip
def test_run_calls_an_entry_as_a_console_script_does(node: Daemon, entry, code, out, err) -> None:
    assert fresh(node, "run", entry) == (code, out, err)


def test_run_shows_what_the_entry_raised(node: Daemon) -> None:
    code, _out, err = fresh(node, "run", "shop.release:broken")
    assert code == 1
    assert err.endswith("ZeroDivisionError: division by zero\n")
    assert "limpet" not in err


@pytest.mark.parametrize("arguments", [(), ("eval",), ("run", "nocolon"), ("run", "a:"), ("other", "x")])
def test_a_wrong_command_line_is_told(node: Daemon, arguments) -> None:
    code, out, err = fresh(node, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: python -m limpet.fresh")


def test_a_supervised_entry_carries_an_agent(node: Daemon) -> None:
    (node.directory / "work.py").write_text("def main():\n    print('up', flush=True)\n    input()\n")
    child = node.start("-m", "limpet.fresh", "run", "work:main")
    peer = node.accept().load()
    assert child.hear() == "up"
    assert peer.value("work.main.__name__") == "'main'"
    assert child.finish(b"\n") == (0, "", "")
