"""What docs/metrics.md says of pushes is so: its example is a configuration, its variables are heeded."""

import re
from pathlib import Path

from limpet_supervisor.config.load import load
from limpet_supervisor.model.spec import OtlpSpec
from limpet_supervisor.model.units import Duration
from limpet_supervisor.runtime import otlp_target

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def test_its_example_is_a_configuration_that_sets_what_it_says(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(\[otlp\].*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    file = tmp_path / "limpet.toml"
    file.write_text(f'name = "shop"\nversion = "1.0.0"\n{block}\n[processes.a]\ncommand = "true"\n')
    spec = load(str(file), environ={"OTLP_TOKEN": "abc"})
    assert spec.otlp == OtlpSpec(
        endpoint="http://127.0.0.1:4318",
        headers={"authorization": "Bearer abc"},
        interval=Duration(60),
        timeout=Duration(10),
        compression="gzip",
        resource={"deployment.environment.name": "production"},
    )
    found = otlp_target.target(spec, {}, "/run/shop")
    assert found is not None
    assert found.shown == "http://127.0.0.1:4318/v1/metrics"


def test_each_variable_that_it_names_is_read() -> None:
    source = Path(otlp_target.__file__).read_text()
    named = set(re.findall(r"\bOTEL_[A-Z_]+", DOCUMENT)) | set(re.findall(r"…_([A-Z_]+)\b", DOCUMENT))
    assert len(named) > 8
    for name in named:
        assert name.removeprefix("OTEL_EXPORTER_OTLP_") in source, name
