"""Free names that are modules import themselves; everything else is left alone."""

import ast
import builtins
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.stage1.names import autoload


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package `lmshop` with `release` (a module), `sub.deep`, and `broken` that raises."""
    root = tmp_path / "lmshop"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "lmstray").mkdir()
    (root / "__init__.py").write_text("name = 'shop'\n")
    (root / "release.py").write_text("def migrate():\n    return 'migrated'\n")
    (root / "sub" / "__init__.py").write_text("")
    (root / "sub" / "deep.py").write_text("value = 5\n")
    (root / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "lmshop"
    for name in [name for name in sys.modules if name.partition(".")[0] == "lmshop"]:
        del sys.modules[name]


def run(source: str, **names: Any) -> Any:
    tree = ast.parse(source, mode="exec")
    autoload(tree, names, vars(builtins))
    last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    exec(compile(tree, "x", "exec"), names)  # noqa: S102 - what is tested
    return eval(compile(last, "x", "eval"), names)  # noqa: S307 - what is tested


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("source", "value"),
    [("lmshop.release.migrate()", "migrated"), ("lmshop.name.upper()", "SHOP"), ("lmshop.sub.deep.value", 5),
     ("[lmshop.sub.deep.value for _ in 'a'][0]", 5), ("(lambda: lmshop.release.migrate())()", "migrated"),
     ("def f():\n    return lmshop.name\nf()", "shop"), ("f'{lmshop.name}'", "shop")],
)  # fmt: skip
def test_a_free_dotted_name_is_imported(source: str, value: object) -> None:
    assert run(source) == value


BINDING = (
    "lmshop = 5\nlmshop",
    "for lmshop in [5]: pass\nlmshop",
    "(lambda lmshop: lmshop)(5)",
    "[lmshop for lmshop in [5]][0]",
    "import math as lmshop\nint(lmshop.sqrt(25))",
    "def lmshop(): return 5\nlmshop()",
    "with open('/dev/null') as lmshop: pass\n5",
    "match 5:\n    case lmshop: pass\nlmshop",
    "(lmshop := 5)",
)


@pytest.mark.parametrize("source", BINDING)
def test_a_name_that_the_source_binds_is_left_alone(package: str, source: str) -> None:
    assert run(source) == 5
    assert package not in sys.modules


def test_a_name_of_the_namespace_is_left_alone(package: str) -> None:
    assert run("lmshop.real", lmshop=1j) == 0.0
    assert package not in sys.modules


def test_a_submodule_of_a_module_that_is_there_already_is_imported(package: str) -> None:
    import importlib

    assert run("short.release.migrate()", short=importlib.import_module(package)) == "migrated"


def test_builtins_stay_builtins() -> None:
    names: dict[str, Any] = {}
    autoload(ast.parse("print(max(1, 2))"), names, vars(builtins))
    assert names == {}


@pytest.mark.usefixtures("package")
def test_what_is_no_module_stays_a_name_error() -> None:
    with pytest.raises(NameError):
        run("lmnothing.at.all")
    with pytest.raises(AttributeError):
        run("lmshop.nothing")


@pytest.mark.usefixtures("package")
def test_a_stray_directory_is_no_module() -> None:
    with pytest.raises(NameError):
        run("lmstray.x")


@pytest.mark.usefixtures("package")
def test_an_error_inside_the_module_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run("lmshop.broken.x")


def test_an_attribute_that_is_there_is_not_looked_for_on_the_disk(package: str) -> None:
    assert run(f"{package}.name") == "shop"
    assert f"{package}.name" not in sys.modules
