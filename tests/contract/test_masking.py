"""What is a secret is one rule in two places: in the supervisor, and in the application's process."""

import inspect

import pytest

from limpet.stage1 import masking as in_agent
from limpet_supervisor.model import masking


def test_both_sides_have_the_same_rule() -> None:
    def rule(module: object) -> str:
        return inspect.getsource(module).split('"""\n', 2)[1]  # type: ignore[arg-type]

    assert rule(in_agent) == rule(masking)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "SECRET_KEY_BASE",
            "RELEASE_COOKIE",
            "GITHUB_TOKEN",
            "authToken",
            "PGPASSWORD",
            "DB_PASS",
            "API_KEY",
        ),
        *("sshkey", "AWS_ACCESS_KEY_ID", "apiKey", "GOOGLE_APPLICATION_CREDENTIALS", "Authorization", "KEYS"),
        *("private_pem", "--password", "SMTP_PW", "key", "KEYBOARD", "SORT_KEY", "--ssl-keyfile"),
        *("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"),
    ],
)
def test_a_name_that_speaks_of_a_secret_is_masked(name: str) -> None:
    assert masking.masked(name, "hunter2") == "***"


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "PWD",
        "PASSENGER_ROOT",
        "HOME",
        "LANG",
        "PORT",
        "DATABASE_URL",
        "COMPASS",
        "LOGNAME",
    ],
)
def test_other_names_are_shown(name: str) -> None:
    assert masking.masked(name, "hunter2") == "hunter2"


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "sshkey",
        "signing_keys",
        "key_id",
        "KEY",
        "SORT_KEY",
        "my_cache_key",
        "stripeKeys",
    ],
)
def test_a_key_to_something_is_a_secret_in_code_as_well(name: str) -> None:
    assert masking.is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["key", "keys", "_key", "sort_key", "primaryKey", "cache_keys", "public_key", "keyboard", "keyword"],
)
def test_a_key_in_a_mapping_or_table_is_no_secret_in_code(name: str) -> None:
    assert not masking.is_secret(name)


def test_what_limpet_config_hid_by_a_rule_of_its_own_is_still_hidden() -> None:
    names = [f"{left}{part}{right}" for part in ("SECRET", "token", "PASSWORD", "passwd", "Key", "CREDENTIAL")
             for left in ("", "MY", "my_") for right in ("", "BOARD", "_x")]  # fmt: skip
    assert all(masking.is_secret_variable(name) for name in names)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DATABASE_URL", "postgres://shop:pa55@db:5432/shop", "postgres://shop:***@db:5432/shop"),
        ("DATABASE_URL", "postgres://shop:p@ss/w@db/shop", "postgres://shop:***@db/shop"),
        ("REDIS_URL", "redis://:pa55@localhost/0", "redis://:***@localhost/0"),
        ("SENTRY_DSN", "https://abc@o1.ingest.io/42", "https://***@o1.ingest.io/42"),
        ("ORIGIN", "https://ghp_0123456789abcdef0123@github.com/x", "https://***@github.com/x"),
        ("CONNECT", "host=db user=shop password=pa55 port=1", "host=db user=shop password=*** port=1"),
        ("CALLBACK", "https://x.io/?a=1&access_token=abc&b=2", "https://x.io/?a=1&access_token=***&b=2"),
        ("PEM", "-----BEGIN RSA PRIVATE KEY-----\nabc", "***"),
        ("IDENTITY", "eyJhbGciOi.eyJzdWIi.c2ln", "***"),
        ("HEADER", "Bearer abc", "***"),
        ("MAIL", "someone@example.org", "someone@example.org"),
        ("PROXY", "http://proxy:3128", "http://proxy:3128"),
        ("API_KEY", "", ""),
    ],
)
def test_credentials_in_a_value_are_masked_and_the_rest_is_shown(name: str, value: str, shown: str) -> None:
    assert masking.masked(name, value) == shown


def test_a_command_line_is_shown_without_its_secrets() -> None:
    line = ["serve", "--token", "abc", "--port", "80", "--password=x", "redis://:y@h", "API_KEY=z", "a=b"]
    shown = [
        "serve",
        "--token",
        "***",
        "--port",
        "80",
        "--password=***",
        "redis://:***@h",
        "API_KEY=***",
        "a=b",
    ]
    assert masking.masked_arguments(line) == shown
