"""docs/configuration.md says of each option what the model says, and leaves none out."""

from pathlib import Path

import pytest
from msgspec import Struct

from limpet_supervisor.config.read import fields_of
from limpet_supervisor.config.reference import TABLES, docstrings, rewritten
from limpet_supervisor.config.variables import expand
from limpet_supervisor.model import spec

DOCUMENT = Path(__file__).parents[2] / "docs/configuration.md"
STRUCTS = [found for found in vars(spec).values() if isinstance(found, type) and issubclass(found, Struct)]
ELSEWHERE = {
    "ProcessSpec": {"name", "names_sockets"},
    "SocketSpec": {"name"},
    "NodeSpec": {"name", "root", "directory", "source", "python", "env", "release", "release_root"},
    "Ready": {"kind", "target", "command"},
    "Provider": {"kind", "source", "optional", "arguments", "state"},
    "Liveness": {"kind", "target", "command"},
}
"""Fields that are no keys: found out, or another table, or the name of theirs, or the kind of a check."""


def test_the_tables_are_as_the_model_has_them_now() -> None:
    """If this fails: `python -m limpet_supervisor.config.reference docs/configuration.md`."""
    text = DOCUMENT.read_text()
    assert text == rewritten(text)


def test_every_table_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    assert [name for name in TABLES if f"<!-- options: {name} -->" not in text] == []


@pytest.mark.parametrize(
    "struct", [found for found in STRUCTS if found is not Struct], ids=lambda found: found.__name__
)
def test_every_field_is_an_option_that_is_documented(struct: type[Struct]) -> None:
    shown = {key for tables in TABLES.values() for table, keys in tables if table is struct for key in keys}
    assert shown | ELSEWHERE.get(struct.__name__, set()) == set(fields_of(struct))
    assert shown <= docstrings(struct).keys()


def test_every_kind_of_check_is_explained() -> None:
    text = DOCUMENT.read_text()
    for kind in spec.Ready.__annotations__["kind"].__args__:
        assert f'ready = "{kind}"' in text or f"ready = {{ {kind} = " in text


def test_the_dollar_in_the_document_means_what_it_says() -> None:
    assert expand("$$ $x ${A:-$$}", {}, str) == "$ $x $"
