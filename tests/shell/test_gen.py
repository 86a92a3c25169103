import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from limpet_shell import cli
from limpet_shell.commands import gen
from limpet_supervisor.config.load import load

CONFIGURATION = """
name = "shop"
version = "1.0.0"

[processes.web]
command = ["sleep", "inf"]
instances = 2
shutdown = "7s"
ready = {{ log = "up", timeout = "20s" }}

[processes.worker]
command = ["sleep", "inf"]
shutdown = "{shutdown}"
"""
UNIT = "systemd/shop.service"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "limpet.toml").write_text(CONFIGURATION.format(shutdown="30s"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def test_every_template_is_filled_in(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["gen", "systemd"]) == 0
    files = [path for path in project.glob("systemd/**/*") if path.is_file()]
    assert sorted(str(path.relative_to(project)) for path in files) == [
        "systemd/shop.service",
        "systemd/shop.service.d/hardening.conf",
        "systemd/shop.service.d/systemd-254.conf",
        "systemd/sysusers.d/shop.conf",
        "systemd/tmpfiles.d/shop.conf",
    ]
    assert not [path.name for path in files if re.search("@[A-Z]+@", path.read_text())]
    assert f"wrote {UNIT}" in capsys.readouterr().out


def test_the_unit_serves_health_and_metrics_on_the_loopback(project: Path) -> None:
    assert cli.main(["gen", "systemd"]) == 0
    assert "Environment=LIMPET_HEALTH=127.0.0.1:9464" in (project / UNIT).read_text().splitlines()


def test_the_unit_runs_this_limpet_on_this_project(project: Path) -> None:
    cli.main(["gen", "systemd", "--user", "www-data"])
    unit = keys((project / UNIT).read_text())
    command, _, rest = unit["ExecStart"].partition(" start ")
    assert rest == f"--file {project}/limpet.toml --release shop --color never"
    assert os.access(command.split()[0], os.X_OK)
    assert (unit["User"], unit["WorkingDirectory"]) == ("www-data", str(project))
    assert unit["RuntimeDirectory"] == "limpet/shop"


def test_systemd_waits_longer_than_the_processes_may_take(project: Path) -> None:
    cli.main(["gen", "systemd"])
    unit = keys((project / UNIT).read_text())
    assert unit["TimeoutStopSec"] == str(2 * 7 + 30 + gen.STOP_MARGIN)
    assert unit["TimeoutStartSec"] == str(20 + 60 + gen.START_MARGIN)


def test_a_shutdown_of_infinity_is_systemds_infinity(project: Path) -> None:
    (project / "limpet.toml").write_text(CONFIGURATION.format(shutdown="infinity"))
    assert gen.seconds_to_stop(load(str(project / "limpet.toml"))) == "infinity"


def test_a_file_that_exists_is_kept_and_none_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "systemd").mkdir()
    (project / UNIT).write_text("mine")
    assert cli.main(["gen", "systemd"]) == 1
    assert f"{UNIT} exists already" in capsys.readouterr().err
    assert (project / UNIT).read_text() == "mine"
    assert os.listdir(project / "systemd") == ["shop.service"]

    assert cli.main(["gen", "systemd", "--force"]) == 0
    assert (project / UNIT).read_text() != "mine"


def test_a_name_that_is_no_users_is_refused(project: Path) -> None:
    assert cli.main(["gen", "systemd", "--user", "a b\nExecStart=/bin/sh"]) == 2
    assert not (project / "systemd").exists()


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/usr/bin/limpet", "/usr/bin/limpet"),
        ("/a b", '"/a b"'),
        ("100%$x", "100%%$$x"),
        ('"\\', '"\\"\\\\"'),
    ],
)
def test_a_word_of_a_command_is_quoted_as_systemd_reads_it(word: str, written: str) -> None:
    assert gen.quoted(word) == written


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(project: Path) -> None:
    cli.main(["gen", "systemd", "--user", "daemon"])
    (project / "systemd/shop.service.d/systemd-254.conf").unlink()  # 252 warns about what it does not know
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", project / UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in verified.stderr.splitlines() if "shop" in line] == []
    assert verified.returncode == 0
