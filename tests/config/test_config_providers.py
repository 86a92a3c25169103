"""`providers`, as it is written."""

from pathlib import Path

import pytest

from limpet_supervisor.model.spec import Provider
from support.configuration import load_text, problems_of


def test_each_kind_is_a_table_of_its_own(tmp_path: Path) -> None:
    text = (
        'providers = [{ json = "${ETC:-/etc}/a.json", optional = true }, { credentials = "shop" }, '
        '{ object = "shop.vault:Vault", arguments = { path = "kv" } }]'
    )
    assert load_text(tmp_path, text).providers == (
        Provider(kind="json", source="/etc/a.json", optional=True),
        Provider(kind="credentials", source="shop"),
        Provider(kind="object", source="shop.vault:Vault", arguments={"path": "kv"}),
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('"a.json"', "expected a list such as"),
        ("[{}]", "expected a table with one of json, toml, env_file, credentials, object"),
        ('["a.json"]', "expected a table with one of json, toml, env_file, credentials, object"),
        (
            '[{ json = "a", toml = "b" }]',
            "expected a table with one of json, toml, env_file, credentials, object",
        ),
        ("[{ json = 1 }]", "expected a file, found 1"),
        ('[{ object = "vault" }]', 'expected "module:name", found "vault"'),
        ('[{ json = "a", optionl = true }]', 'unknown key; did you mean "optional"?'),
        ('[{ json = "a", optional = "maybe" }]', 'expected true or false, found "maybe"'),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, written: str, said: str) -> None:
    (problem,) = problems_of(tmp_path, f"providers = {written}")
    assert said in problem
