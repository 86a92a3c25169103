"""Where metrics are pushed to: what configuration and OpenTelemetry's variables come to; what is wrong."""

import base64
from pathlib import Path

import pytest

from limpet_supervisor.config.load import load
from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import NodeSpec
from limpet_supervisor.runtime.otlp_target import Target, target


def spec(directory: Path, otlp: str = "") -> NodeSpec:
    """A node with that table."""
    file = directory / "limpet.toml"
    file.write_text(f'name = "shop"\nversion = "1.0.0"\n[otlp]\n{otlp}\n[processes.a]\ncommand = "true"\n')
    return load(str(file), environ={})


def found(directory: Path, otlp: str = "", **environ: str) -> Target:
    """Where it pushes to."""
    made = target(spec(directory, otlp), environ, "/run/shop")
    assert made is not None
    return made


@pytest.mark.parametrize(
    "said",
    [
        'endpoint = "collector:4318"',
        'endpoint = "http://"',
        'endpoint = "http://c:0"',
        'endpoint = "ftp://c"',
        'interval = "0s"',
        'compression = "zstd"',
        'headers = { "a b" = "hunter2" }',
        'headers = { a = "hunter2\\nb: c" }',
        "headers = { a = 5 }",
        "resource = { a = 5 }",
        'endpiont = "http://c"',
    ],
)
def test_what_cannot_be_used_is_refused_and_no_secret_is_told(tmp_path: Path, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        spec(tmp_path, said)
    assert "otlp" in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("http://c", "/v1/metrics"),
        ("http://c/", "/v1/metrics"),
        ("http://c/api/v1/otlp", "/api/v1/otlp/v1/metrics"),
        ("http://c/v1/metrics", "/v1/metrics"),
    ],
)
def test_the_path_of_metrics_is_put_after_the_endpoint_once(tmp_path: Path, endpoint: str, path: str) -> None:
    assert found(tmp_path, f'endpoint = "{endpoint}"').place.path == path


def test_a_user_of_the_url_becomes_a_header_and_is_not_shown(tmp_path: Path) -> None:
    made = found(tmp_path, 'endpoint = "https://me:hunter%202@[::1]/x"')
    assert made.headers == (("authorization", f"Basic {base64.b64encode(b'me:hunter 2').decode()}"),)
    assert (made.place.secure, made.place.host, made.place.port) == (True, "::1", 443)
    assert made.shown == "https://[::1]/x/v1/metrics"


def test_the_table_comes_before_opentelemetry_s_variables_and_the_node_s_own_before_both(
    tmp_path: Path,
) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs",
        "OTEL_METRIC_EXPORT_INTERVAL": "1500",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
        "OTEL_RESOURCE_ATTRIBUTES": "a=1,b=2",
    }
    table = 'endpoint = "http://ours"\ninterval = "10s"\nresource = { a = "3" }'
    made = found(tmp_path, table, **environ)
    assert (made.place.host, made.interval, made.timeout) == ("ours", 10.0, 2.5)
    assert (made.resource["a"], made.resource["b"]) == ("3", "2")
    assert made.place.certificate == str(tmp_path / "ca.pem")
    assert found(tmp_path, table, LIMPET_OTLP="http://other", **environ).place.host == "other"
    assert found(tmp_path, table, LIMPET_OTLP="on", **environ).place.host == "theirs"
    assert found(tmp_path, 'endpoint = "on"').place[1:3] == ("localhost", 4318)
    assert target(spec(tmp_path, table), {"LIMPET_OTLP": "off"}, "/run/shop") is None
    assert target(spec(tmp_path), environ, "/run/shop") is None


def test_a_node_is_the_same_after_a_restart_and_no_other(tmp_path: Path) -> None:
    node = spec(tmp_path, 'endpoint = "on"')
    made = [target(node, {}, directory) for directory in ("/run/a", "/run/a", "/run/b")]
    first, again, other = (each.resource["service.instance.id"] for each in made if each is not None)
    assert first == again != other
