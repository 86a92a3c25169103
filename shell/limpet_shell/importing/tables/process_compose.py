"""process-compose.yaml: the options of Process Compose 1.122, https://f1bonacc1.github.io/process-compose/."""

from typing import Final

from limpet_shell.importing.tables import ANY, OFF, ON, Option, Table, differs, none, same

_TERMINAL: Final = "processes have no terminal"
_LATER: Final = "run it by a systemd timer, or by cron, with `limpet eval`"


def _probe(name: str) -> tuple[Option, ...]:
    here = "ready" if name == "readiness_probe" else "liveness"
    timeout = (
        none(f"{name}.timeout_seconds", "an attempt has 2 s", ANY, instead="ready.timeout")
        if here == "ready"
        else same(f"{name}.timeout_seconds", "liveness.timeout")
    )
    failures = (
        differs(f"{name}.failure_threshold", "ready.timeout", "the time in which it must become ready", ANY)
        if here == "ready"
        else same(f"{name}.failure_threshold", "liveness.failures")
    )
    return (
        same(f"{name}.exec.command", f"{here}.exec"),
        same(f"{name}.exec.working_dir", f"{here}.exec", "by `cd`"),
        same(f"{name}.http_get.host", f"{here}.http"),
        same(f"{name}.http_get.path", f"{here}.http"),
        differs(
            f"{name}.http_get.scheme", f"{here}.http", "https is not asked: the check is left out", ("http",)
        ),
        same(f"{name}.http_get.port", f"{here}.http"),
        same(f"{name}.http_get.num_port", f"{here}.http"),
        none(f"{name}.http_get.headers", "none are sent", instead=f"{here}.exec"),
        none(f"{name}.http_get.status_code", "200 to 399 are well", ("200",), instead=f"{here}.exec"),
        none(
            f"{name}.initial_delay_seconds", "asked at once, until it is ready", ANY, instead="ready.timeout"
        ),
        same(f"{name}.period_seconds", f"{here}.every"),
        timeout,
        none(f"{name}.success_threshold", "one is enough", ("1",)),
        failures,
    )


PROCESS: Final = Table(
    "processes.NAME",
    (
        same("command", "command", '`["bash", "-c", …]`, or what `shell` says'),
        same("entrypoint", "command"),
        differs("extends", "", "what it extends is written out", ANY),
        differs("disabled", "instances", "`instances = 0`; `limpet ctl scale NAME 1` starts it", OFF),
        differs("is_disabled", "instances", "`instances = 0`; `limpet ctl scale NAME 1` starts it", OFF),
        none("is_daemon", "let it stay in the foreground: what detaches cannot be supervised", OFF),
        none("launch_timeout_seconds", "let it stay in the foreground", ANY),
        differs("is_foreground", "instances", "`instances = 0`, and it has no terminal: run it by hand", OFF),
        none("is_tty", _TERMINAL, OFF),
        none("is_interactive", _TERMINAL, OFF),
        none("is_elevated", "nothing asks for a password; a node of root sets it", OFF, instead="user"),
        same("environment", "env"),
        same("env_file", "env_file"),
        differs(
            "is_dotenv_disabled",
            "env_file",
            "without it, `.env` is every process's env_file, if it is there",
            ANY,
        ),
        same(
            "availability.restart",
            "restart",
            "always: `permanent`, on_failure: `transient`, no: `temporary`; "
            "exit_on_failure: `transient`, with an end of the node only beyond `max_restarts`",
        ),
        differs(
            "availability.backoff_seconds", "backoff", "but the first two restarts in a row are immediate"
        ),
        differs(
            "availability.max_restarts",
            "max_restarts",
            "never given up: `max_restarts` holds for the whole node",
            ("0",),
        ),
        differs(
            "availability.exit_on_end",
            "significant",
            "with `auto_shutdown`; needs a restart of no or on_failure",
            OFF,
        ),
        none("availability.exit_on_skipped", "what cannot start ends the boot", OFF),
        same(
            "depends_on",
            "after",
            "process_started waits until it is ready, too, if it has a check; "
            "process_completed waits for a success",
        ),
        *_probe("readiness_probe"),
        *_probe("liveness_probe"),
        same("ready_log_line", "ready.log", "as a regular expression"),
        none("shutdown.command", "a process is stopped by a signal", instead="stop_signal"),
        same("shutdown.signal", "stop_signal"),
        same("shutdown.timeout_seconds", "shutdown"),
        none("shutdown.parent_only", "no descendant remains, whatever its group", OFF),
        none("shutdown.send_keys", _TERMINAL, OFF, instead="stop_signal"),
        same("working_dir", "cwd"),
        differs("namespace", "", "a process is addressed by its name alone", ("default",)),
        differs("replicas", "instances", "with {{.PC_REPLICA_NUM}}: a process for each", ANY),
        same("vars", "", "written out where `{{.NAME}}` stands"),
        same("description", "", "a comment"),
        none("disable_ansi_colors", "output is kept as it is written", OFF),
        none("schedule", _LATER),
        none("watch", "files are not looked at"),
        none("mcp", "there is no MCP server"),
        none("truncate_log", "logs are rotated, never cut", OFF, instead="log.max_bytes"),
        none("monitor_for", "nothing looks at silence or activity", ("none",), instead="liveness"),
        none("monitor_silence_threshold", "nothing looks at silence or activity", ANY),
        same("success_exit_codes", "success_exit_codes"),
        none("is_template_disabled", "templates are written out", OFF),
        same("log_location", "log.file"),
        same("log_configuration.rotation.max_size_mb", "log.max_bytes"),
        none(
            "log_configuration.rotation.max_age_days",
            "backups go by their number, not by their age",
            OFF,
            instead="log.backups",
        ),
        same("log_configuration.rotation.max_backups", "log.backups"),
        same("log_configuration.rotation.compress", "log.compress"),
        none("log_configuration.rotation.directory", "beside the log", ANY),
        none("log_configuration.rotation.filename", "beside the log", ANY),
        none("log_configuration.fields_order", "fields have one order", ANY),
        differs(
            "log_configuration.disable_json",
            "log.format",
            "raw unless it says false: then `json`, with fields of its own",
            ON,
        ),
        none("log_configuration.timestamp_format", "times have one format", ANY, instead="log.format"),
        none("log_configuration.no_color", "output is kept as it is written", ANY),
        none("log_configuration.no_metadata", "raw has none", ANY, instead="log.format"),
        differs("log_configuration.add_timestamp", "log.format", "`prefix`: the process's name, too", OFF),
        none("log_configuration.flush_each_line", "lines are written as they come", ANY),
    ),
)

PROJECT: Final = Table(
    "the project",
    (
        none("version", "the version of the file's format", ANY),
        same("name", "name"),
        same("processes", "processes"),
        same("environment", "env", "of every process"),
        same("shell.shell_command", "command"),
        same("shell.shell_argument", "command"),
        none("shell.elevated_shell_command", "nothing asks for a password", ANY, instead="user"),
        none("shell.elevated_shell_argument", "nothing asks for a password", ANY, instead="user"),
        same("vars", "", "written out where `{{.NAME}}` stands"),
        same("extends", "", "read, and written to the one limpet.toml"),
        none("log_location", "each process has a log of its own", ANY, instead="log.file"),
        none("log_level", "what happened is in `limpet events`", ANY),
        none("log_length", "`limpet logs -n N` reads from the file", ANY),
        none("log_format", "each process has a log of its own", ANY, instead="log.format"),
        none("log_configuration.*", "each process has a log of its own", ANY, instead="log"),
        none("is_strict", "an unknown key is always an error", ANY),
        differs(
            "disable_env_expansion",
            "",
            "as if true for commands: their shell expands; elsewhere ${X} is a reference",
            ANY,
        ),
        none("is_tui_disabled", "`limpet start` prints; `limpet start_iex` has a console", ANY),
        none("env_cmds", "read it in config/runtime.py", instead="config/runtime.py"),
        same("ordered_shutdown", "", "always: in reverse order, each waited for"),
        none("mcp_server", "there is no MCP server"),
        none("file_names", "set by Process Compose itself", ANY),
        none("env_file_names", "set by Process Compose itself", ANY),
        none("dot_env_vars", "set by Process Compose itself", ANY),
    ),
)

TABLES: Final = (PROCESS, PROJECT)
