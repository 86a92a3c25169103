"""What `gen docker`, `gen ci` and `gen kubernetes` write, parsed and checked field by field."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from limpet_shell import cli
from limpet_shell.shipping import EVERYWHERE
from limpet_supervisor import __version__

CONFIGURATION = """
name = "my_shop"
version = "1.2.0"

[sockets.http]
bind = "${HOST:-127.0.0.1}:${PORT:-4000}"

[sockets.admin]
bind = "127.0.0.1:4100"

[sockets.local]
bind = "unix:/run/shop.sock"

[processes.migrate]
entry = "shop.release:migrate"
ready = { completed = true, timeout = "40s" }
restart = "transient"

[processes.web]
command = ["serve"]
instances = 2
shutdown = "7s"
ready = { log = "up", timeout = "20s" }
"""
ALONE = 'name = "clock"\nversion = "1.0.0"\n[processes.clock]\ncommand = ["tick"]\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "limpet.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    for name in ("HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def instructions(here: Path) -> list[str]:
    """The lines of the Dockerfile that do something, with continued ones joined."""
    text = (here / "Dockerfile").read_text().replace("\\\n", " ")
    return [re.sub(r"\s+", " ", line) for line in text.splitlines() if line and not line.startswith("#")]


def manifest(here: Path, name: str) -> Any:
    return yaml.safe_load((here / f"kubernetes/{name}.yaml").read_text())


@pytest.mark.parametrize("kind", ["docker", "ci", "kubernetes"])
def test_every_template_is_filled_in(here: Path, kind: str) -> None:
    assert cli.main(["gen", kind]) == 0
    files = [path for path in here.rglob("*") if path.is_file() and path.name != "limpet.toml"]
    assert files
    assert [path.name for path in files if re.search("@[A-Z_]+@", path.read_text())] == []


def test_the_image_has_two_stages_and_only_the_first_has_compilers(here: Path) -> None:
    cli.main(["gen", "docker"])
    lines = instructions(here)
    stages = [k for k, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(stages) == 2
    build, run = lines[stages[0] : stages[1]], lines[stages[1] :]
    assert any("build-essential" in line for line in build)
    assert not any("build-essential" in line or "pip" in line for line in run)
    assert "COPY --from=build /release ./" in run
    assert f'ARG LIMPET="limpet=={__version__}"' in build
    assert build[-1] == "RUN limpet release my_shop --path /release --overwrite"


def test_the_image_runs_as_nobody_in_particular_and_is_asked_for_its_health(here: Path) -> None:
    cli.main(["gen", "docker"])
    lines = instructions(here)
    assert "USER 10001:10001" in lines
    assert "EXPOSE 4000 4100 9464" in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert lines[-1] == 'CMD ["bin/my_shop", "start"]'
    health = next(line for line in lines if line.startswith("HEALTHCHECK"))
    assert health.endswith('CMD ["bin/my_shop", "health"]')
    assert "ENV LIMPET_HEALTH=0.0.0.0:9464" in lines, "and over HTTP"
    assert "--start-period=90s" in health, "as long as the processes may take to become ready"
    environment = next(line for line in lines if line.startswith("ENV LANG"))
    assert environment == "ENV LANG=${LOCALE} HOST=0.0.0.0 PORT=4000"


@pytest.mark.parametrize(
    ("files", "layer"),
    [
        ({"uv.lock": ""}, "COPY pyproject.toml uv.lock ./"),
        ({"requirements.txt": ""}, "COPY requirements.txt ./"),
        ({}, ""),
    ],
)
def test_dependencies_are_a_layer_before_the_code(here: Path, files: dict[str, str], layer: str) -> None:
    for name, text in files.items():
        (here / name).write_text(text)
    cli.main(["gen", "docker"])
    copies = [line for line in instructions(here) if line.startswith("COPY ")]
    assert copies == [*([layer] if layer else []), "COPY . .", "COPY --from=build /release ./"]


def test_what_the_build_need_not_see_is_ignored(here: Path) -> None:
    cli.main(["gen", "docker"])
    assert {".git", ".venv", "_build", ".env"} <= set((here / ".dockerignore").read_text().splitlines())


def test_the_workflow_lints_types_tests_releases_and_pushes_from_its_branch(here: Path) -> None:
    (here / "uv.lock").touch()
    assert cli.main(["gen", "ci", "--branch", "trunk"]) == 0
    workflow = yaml.safe_load((here / ".github/workflows/ci.yml").read_text())
    assert workflow[True]["push"]["branches"] == ["trunk"]  # YAML 1.1 reads the key `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    test, release, image = (workflow["jobs"][name] for name in ("test", "release", "image"))
    said = "\n".join(step.get("run", "") for step in test["steps"])
    for command in ("uv sync --locked", "ruff check", "ruff format --check", "mypy", "pytest"):
        assert command in said
    assert test["services"]["postgres"]["image"].startswith("postgres:")
    assert test["env"]["DATABASE_URL"].startswith("postgresql://")
    assert "limpet release my_shop" in "\n".join(step.get("run", "") for step in release["steps"])
    assert (release["needs"], image["needs"]) == ("test", "test")
    assert "refs/heads/trunk" in image["if"]
    assert image["permissions"]["packages"] == "write"
    push = next(step for step in image["steps"] if "build-push" in step.get("uses", ""))
    assert push["with"]["push"] is True


def test_a_pod_is_a_node_that_is_probed_and_stopped_in_time(here: Path) -> None:
    assert cli.main(["gen", "kubernetes", "--image", "example.org/shop:1"]) == 0
    deployment = manifest(here, "deployment")
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    assert deployment["metadata"]["name"] == "my-shop"
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    assert pod["terminationGracePeriodSeconds"] == 10 + 2 * 7 + 10 + 5, "all shutdowns, a margin, preStop"
    [container] = pod["containers"]
    assert container["image"] == "example.org/shop:1"
    assert container["command"] == ["bin/my_shop", "start"]
    for probe, path in (("startup", "/startupz"), ("readiness", "/readyz"), ("liveness", "/livez")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "limpet-health"}
        assert container[f"{probe}Probe"]["timeoutSeconds"] == 5, "the answer may need four"
    startup, ready, live = (container[f"{probe}Probe"] for probe in ("startup", "readiness", "liveness"))
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 40 + 20
    seconds = [probe["periodSeconds"] * probe["failureThreshold"] for probe in (ready, live)]
    assert seconds == [10, 30], "it gets no traffic before it is killed"
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"HOST": EVERYWHERE, "PORT": "4000"}
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "http": 4000,
        "admin": 4100,
        "limpet-health": 9464,
    }
    annotations = spec["template"]["metadata"]["annotations"]
    assert {name: annotations[f"prometheus.io/{name}"] for name in ("scrape", "port", "path")} == {
        "scrape": "true",
        "port": "9464",
        "path": "/metrics",
    }


@pytest.mark.parametrize(("admin", "health"), [("4100", 9464), ("9464", 9465)])
def test_pod_and_image_agree_on_the_port_of_health_which_is_no_other_s(
    here: Path, admin: str, health: int
) -> None:
    (here / "limpet.toml").write_text(CONFIGURATION.replace("4100", admin))
    cli.main(["gen", "docker"])
    cli.main(["gen", "kubernetes"])
    assert f"ENV LIMPET_HEALTH=0.0.0.0:{health}" in instructions(here)
    assert f"EXPOSE 4000 {admin} {health}" in instructions(here)
    template = manifest(here, "deployment")["spec"]["template"]
    [container] = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 4000, "admin": int(admin), "limpet-health": health}
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(health)


KUBERNETES = json.loads(Path(__file__).with_name("kubernetes-1.32.json").read_text())
"""What a Deployment, a Service and a Job are made of, of Kubernetes' own schemas (Apache-2.0):
https://github.com/kubernetes/kubernetes/tree/v1.32.0/api/openapi-spec."""
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def wrong(schema: Any, value: Any, where: str) -> list[str]:
    """What is wrong with a value by a schema, of JSON Schema's keywords those that Kubernetes uses."""
    if "$ref" in schema:
        schema = KUBERNETES[schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema and all(wrong(each, value, where) for each in schema["oneOf"]):
        return [f"{where}: none of {schema['oneOf']}"]
    kinds = schema.get("type", list(TYPES))
    if not any(type(value) is TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return [f"{where}: {value!r} is not {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    found = []
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += wrong(schema.get("items", {}), item, f"{where}[{index}]")
    elif isinstance(value, dict):
        found += [f"{where}: there is no {name}" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            of = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            found += [f"{where}.{name}: not known"] if of is False else wrong(of, item, f"{where}.{name}")
    return found


@pytest.mark.parametrize("configuration", [CONFIGURATION, ALONE])
def test_manifests_are_what_kubernetes_takes(here: Path, configuration: str) -> None:
    (here / "limpet.toml").write_text(configuration)
    cli.main(["gen", "kubernetes"])
    kinds = {
        "Deployment": "io.k8s.api.apps.v1.Deployment",
        "Job": "io.k8s.api.batch.v1.Job",
        "Service": "io.k8s.api.core.v1.Service",
    }
    for path in (here / "kubernetes").iterdir():
        made = yaml.safe_load(path.read_text())
        assert wrong(KUBERNETES[kinds[made["kind"]]], made, path.name) == []
    probe = {"httpGet": {"path": "/livez", "prot": 1}, "periodSeconds": "2"}
    assert len(wrong(KUBERNETES["io.k8s.api.core.v1.Probe"], probe, "")) == 3, "it sees what is wrong"


@pytest.mark.parametrize("name", ["deployment", "migrate"])
def test_nothing_in_a_pod_is_privileged_or_written_but_tmp(here: Path, name: str) -> None:
    cli.main(["gen", "kubernetes"])
    pod = manifest(here, name)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert [volume["name"] for volume in pod["volumes"]] == [m["name"] for m in container["volumeMounts"]]
    assert container["image"] == "my-shop:1.2.0"


def test_a_service_leads_to_its_ports_by_name(here: Path) -> None:
    cli.main(["gen", "kubernetes"])
    service = manifest(here, "service")
    assert (service["apiVersion"], service["kind"]) == ("v1", "Service")
    labels = manifest(here, "deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels
    assert service["spec"]["ports"] == [
        {"name": "http", "port": 80, "targetPort": "http"},
        {"name": "admin", "port": 4100, "targetPort": "admin"},
    ]


def test_a_job_migrates(here: Path) -> None:
    cli.main(["gen", "kubernetes"])
    job = manifest(here, "migrate")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["command"] == ["bin/my_shop", "eval", "shop.release.migrate()"]


def test_what_neither_listens_nor_migrates_is_a_deployment_alone(here: Path) -> None:
    (here / "limpet.toml").write_text(ALONE)
    cli.main(["gen", "kubernetes"])
    assert os.listdir(here / "kubernetes") == ["deployment.yaml"]
    [container] = manifest(here, "deployment")["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [9464]
    cli.main(["gen", "docker"])
    assert "EXPOSE 9464" in instructions(here)


def test_a_shutdown_without_end_is_bounded(here: Path) -> None:
    (here / "limpet.toml").write_text(CONFIGURATION.replace('"7s"', '"infinity"'))
    assert cli.main(["gen", "kubernetes"]) == 0
    assert manifest(here, "deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 86405


@pytest.mark.parametrize("wrong", [["--image", "a\nb"], ["--branch", "a]\nb"]])
def test_a_name_that_would_write_something_else_is_refused(here: Path, wrong: list[str]) -> None:
    assert cli.main(["gen", "kubernetes", *wrong]) == 2
    assert not (here / "kubernetes").exists()


def test_files_that_exist_are_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "Dockerfile").write_text("mine")
    assert cli.main(["gen", "docker"]) == 1
    assert "Dockerfile exists already" in capsys.readouterr().err
    assert not (here / ".dockerignore").exists()
    assert cli.main(["gen", "docker", "--force"]) == 0
    assert (here / "Dockerfile").read_text() != "mine"
