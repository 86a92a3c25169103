"""`limpet import` writes a limpet.toml, never over another, and reports."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_shell import cli
from limpet_shell.importing import toml
from limpet_shell.importing.model import Imported, free_name, literal, release_name
from limpet_shell.importing.reference import TABLES, rewritten
from limpet_shell.importing.tables import Fate
from limpet_supervisor.config.reference import TABLES as MODEL
from limpet_supervisor.config.reference import docstrings
from limpet_supervisor.config.variables import expand

DOCUMENT = Path(__file__).parents[2] / "docs/migrating.md"
CONFIGURATION = (
    "[supervisord]\nminfds = 9\n[program:web]\ncommand = run %(ENV_NOT_SET_HERE)s\nautostart = false\n"
)

OPTIONS = {
    "supervisord": """
        command process_name numprocs numprocs_start priority autostart startsecs startretries autorestart
        exitcodes stopsignal stopwaitsecs stopasgroup killasgroup user redirect_stderr stdout_logfile
        stdout_logfile_maxbytes stdout_logfile_backups stdout_capture_maxbytes stdout_events_enabled
        stdout_syslog stderr_logfile stderr_logfile_maxbytes stderr_logfile_backups
        stderr_capture_maxbytes stderr_events_enabled stderr_syslog environment directory umask serverurl
        logfile logfile_maxbytes logfile_backups loglevel pidfile nodaemon silent minfds minprocs
        nocleanup childlogdir strip_ansi identifier programs socket socket_backlog socket_owner
        socket_mode buffer_size events result_handler files file chmod chown username password port
        """,
    "circus": """
        cmd args shell shell_args working_dir uid gid copy_env copy_path warmup_delay autostart
        numprocesses rlimit_* stdout_stream.class stdout_stream.filename stdout_stream.time_format
        stdout_stream.max_bytes stdout_stream.backup_count stdout_stream.rotate_when stdout_stream.utc
        stderr_stream.class stdin_socket close_child_stdin close_child_stdout close_child_stderr send_hup
        stop_signal stop_children max_retry graceful_timeout priority singleton use_sockets max_age
        max_age_variance on_demand hooks.* virtualenv virtualenv_py_ver respawn endpoint endpoint_owner
        pubsub_endpoint statsd stats_endpoint check_delay include include_dir httpd debug_gc pidfile umask
        loglevel logoutput loggerconfig host path family type interface replace so_reuseport
        circus.plugins.statsd.StatsdEmitter circus.plugins.statsd.FullStats
        circus.plugins.redis_observer.RedisObserver circus.plugins.http_observer.HttpObserver
        circus.plugins.resource_watcher.ResourceWatcher circus.plugins.watchdog.WatchDog
        circus.plugins.flapping.Flapping circus.plugins.command_reloader.CommandReloader
        """,
    "procfile": """
        release
        """,
    "process-compose": """
        command entrypoint extends disabled is_disabled is_daemon launch_timeout_seconds is_foreground
        is_tty is_interactive is_elevated environment env_file is_dotenv_disabled availability.restart
        availability.backoff_seconds availability.max_restarts availability.exit_on_end
        availability.exit_on_skipped depends_on liveness_probe.exec.command readiness_probe.http_get.host
        readiness_probe.initial_delay_seconds readiness_probe.period_seconds
        readiness_probe.timeout_seconds readiness_probe.failure_threshold
        readiness_probe.success_threshold ready_log_line shutdown.command shutdown.signal
        shutdown.timeout_seconds shutdown.parent_only shutdown.send_keys working_dir namespace replicas
        vars description schedule watch mcp truncate_log monitor_for success_exit_codes log_location
        log_configuration.rotation.max_size_mb log_configuration.rotation.max_age_days
        log_configuration.rotation.max_backups log_configuration.rotation.compress env_cmds is_strict
        ordered_shutdown
        """,
    "pm2": """
        script name namespace cwd args interpreter node_args out_file error_file log_file disable_logs
        log_type log_date_format time env env_* filter_env max_memory_restart pid_file restart_delay
        exp_backoff_restart_delay wait_ready instances kill_timeout shutdown_with_message listen_timeout
        cron_restart merge_logs autostart autorestart stop_exit_codes watch watch_delay ignore_watch
        min_uptime max_restarts exec_mode instance_var increment_var treekill port uid gid
        """,
}
"""What each format has, by the formats' own documentation."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "supervisord.conf").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    return tmp_path


def test_it_writes_the_file_and_reports(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "supervisord.conf"]) == 0
    said = capsys.readouterr().out
    assert "wrote limpet.toml: 1 process\n" in said
    assert re.search(r"left out.*:\n  \[supervisord\] minfds: ", said)
    assert re.search(r"kept, with a difference:\n  \[program:web\] autostart: ", said)
    assert re.search(r"before it can run:\n  limpet.toml:\d+: .*NOT_SET_HERE is not set", said)
    assert tomllib.loads((site / "limpet.toml").read_text())["processes"]["web"]["instances"] == 0


def test_the_report_is_json_for_tools(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "supervisord.conf", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["processes"], said["file"]) == (1, ["web"], str(site / "limpet.toml"))
    assert {"place": "[supervisord]", "option": "minfds"}.items() <= said["notes"][0].items()
    assert len(said["problems"]) == 1


def test_a_file_that_exists_is_kept(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "limpet.toml").write_text("mine")
    assert cli.main(["import", "supervisord.conf"]) == 1
    assert "limpet.toml exists already" in capsys.readouterr().err
    assert (site / "limpet.toml").read_text() == "mine"
    assert cli.main(["import", "supervisord.conf", "--force"]) == 0
    assert (site / "limpet.toml").read_text() != "mine"


def test_standard_output_gets_the_configuration_alone(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "supervisord.conf", "--output", "-"]) == 0
    said = capsys.readouterr()
    assert tomllib.loads(said.out)["processes"]["web"]["command"] == ["run", "${NOT_SET_HERE}"]
    assert "minfds" in said.err
    assert not (site / "limpet.toml").exists()


def test_a_format_that_the_name_does_not_tell_is_asked_for(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "processes").write_text("web: run\n")
    assert cli.main(["import", "processes"]) == 2
    assert "--format supervisord or circus" in capsys.readouterr().err
    assert cli.main(["import", "processes", "--format", "procfile"]) == 0


@pytest.mark.usefixtures("site")
def test_a_file_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "circus.ini"]) == 1
    assert "circus.ini cannot be read. No such file" in capsys.readouterr().err


def test_yaml_says_what_it_needs(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (site / "process-compose.yaml").write_text("processes: {}\n")
    assert cli.main(["import", "process-compose.yaml"]) == 1
    assert "pip install 'limpet[import]'" in capsys.readouterr().err


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    made = Imported(
        "site", settings={text or "key": literal(text)}, sockets={"a": {"x": [literal(text)] * 9}}
    )
    document = tomllib.loads(toml.text(made, "x"))
    assert expand(document[text or "key"], {}, str) == text
    assert expand(document["sockets"]["a"]["x"][8], {}, str) == text


@given(st.text())
def test_any_name_becomes_one_that_is_allowed(name: str) -> None:
    first = free_name(name, set())
    assert re.fullmatch(r"[a-z][a-z0-9_-]*", first)
    assert free_name(name, {first}) not in (first, "root")
    assert re.fullmatch(r"[a-z][a-z0-9_]*", release_name(name))


def test_the_document_has_the_tables_as_they_are_now() -> None:
    """If this fails: `python -m limpet_shell.importing.reference docs/migrating.md`."""
    text = DOCUMENT.read_text()
    assert text == rewritten(text)
    assert [name for name in TABLES if f"<!-- format: {name} -->" not in text] == []


@pytest.mark.parametrize("name", TABLES)
def test_every_option_of_the_format_is_in_its_table(name: str) -> None:
    found = {option.name for table in TABLES[name] for option in table.options}
    assert set(OPTIONS[name].split()) - found == set()


def test_every_equivalent_is_a_key_that_there_is() -> None:
    known = {
        f"{prefix}{key}"
        for prefix, name in (
            ("", "process"), ("", "release"), ("log.", "log"), ("backoff.", "backoff"), ("ready.", "ready"),
            ("liveness.", "liveness"), ("sockets.NAME.", "socket"),
        )
        for struct, keys in MODEL[name]
        for key in keys
        if key in docstrings(struct)
    }  # fmt: skip
    known |= {"name", "limits.nofile", "limits.nproc", "config/runtime.py"}
    known |= {f"{check}.{kind}" for check in ("ready", "liveness") for kind in ("exec", "http", "log")}
    options = [option for tables in TABLES.values() for table in tables for option in table.options]
    keys = {option.key for option in options if option.key and not option.key.startswith("limpet ")}
    assert keys - known == set()
    assert {option.key.split()[1] for option in options if option.key.startswith("limpet ")} <= set(cli.VERBS)
    assert [option.name for option in options if option.fate is not Fate.SAME and not option.text] == []
