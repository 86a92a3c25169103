"""ecosystem.json: the options of PM2 7, its lib/API/schema.json."""

from typing import Final

from limpet_shell.importing.tables import ANY, OFF, ON, Table, differs, none, same

_NODE_ALONE: Final = "of Node.js alone"
_NO_LOOK: Final = "files are not looked at"
_AGENT: Final = "what runs is looked at by `limpet status` and, in Python, by the console"

APP: Final = Table(
    "apps",
    (
        same("script", "command"),
        same("exec", "command", "another name of script"),
        same("name", "", "the key of its table"),
        none("name_prefix", "a process is addressed by its name alone"),
        none("namespace", "a process is addressed by its name alone", ("default",)),
        same("cwd", "cwd"),
        same("args", "command"),
        same("exec_interpreter", "command"),
        same("interpreter", "command", "by the script's suffix if not given"),
        same("node_args", "command"),
        same("interpreter_args", "command"),
        same("interpreterArgs", "command"),
        *(
            differs(name, "log.file", "one log for both streams", ANY)
            for name in ("out_file", "out", "output", "out_log")
        ),
        *(
            differs(name, "log.file", "standard error goes to the process's one log", ("/dev/null", "null"))
            for name in ("error_file", "error", "err", "err_file", "err_log")
        ),
        same("log_file", "log.file"),
        same("log", "log.file"),
        differs("disable_logs", "log.file", '`"none"`: kept nowhere, but shown by `limpet start`', OFF),
        differs("log_type", "log.format", "json, with fields of its own"),
        differs("log_date_format", "log.format", "`prefix`, with a format of its own"),
        differs("time", "log.format", "`prefix`, with a format of its own", OFF),
        differs(
            "merge_logs",
            "log.file",
            "without it, instances with a log_file of their own share it here, too",
            ANY,
        ),
        differs("combine_logs", "log.file", "another name of merge_logs", ANY),
        same("env", "env"),
        none("env_*", "one file for all environments: see `env_file`, and LIMPET_ENV", instead="env_file"),
        none("filter_env", "the node's environment is always passed on", OFF),
        same("max_memory_restart", "max_memory"),
        none("pid_file", "`limpet status --json` has the pids", instead="limpet status"),
        none("pid", "`limpet status --json` has the pids", instead="limpet status"),
        differs("restart_delay", "backoff", "but the first two restarts in a row are immediate", ("0",)),
        differs("exp_backoff_restart_delay", "backoff.base", "doubled each time, up to 30 s", ("0",)),
        none("wait_ready", "process.send('ready') is of Node.js alone", OFF, instead="ready"),
        none(
            "listen_timeout",
            "how long it may take to become ready, if it has a check",
            ANY,
            instead="ready.timeout",
        ),
        differs(
            "instances",
            "instances",
            '"max", 0 and less: `"${INSTANCES:-1}"`, processors are not counted',
            ANY,
        ),
        same("kill_timeout", "shutdown", "1.6 s if not given"),
        none("kill_retry_time", "a kill needs no second one", ANY),
        none("shutdown_with_message", "process.send is of Node.js alone", OFF, instead="stop_signal"),
        none(
            "cron_restart",
            "restarted by age, or from a systemd timer by `limpet ctl restart`",
            instead="max_age",
        ),
        none("cron", "another name of cron_restart", instead="max_age"),
        differs("autostart", "instances", "false: `instances = 0`; `limpet ctl scale NAME 1` starts it", ON),
        same("autorestart", "restart", "false: `temporary`"),
        same("stop_exit_codes", "success_exit_codes", "with `transient`"),
        none("watch", _NO_LOOK, OFF),
        none("watch_delay", _NO_LOOK, ANY),
        none("ignore_watch", _NO_LOOK, ANY),
        none("watch_options", _NO_LOOK, ANY),
        differs("min_uptime", "backoff.reset", "one that stays up so long restarts without delay"),
        differs(
            "max_restarts",
            "max_restarts",
            "never given up: tried again, later each time; `max_restarts` holds for the whole node",
        ),
        differs(
            "exec_mode",
            "sockets",
            "cluster: let the node listen, and each instance accept on its socket",
            ("fork", "fork_mode"),
        ),
        differs("instance_var", "", "LIMPET_INSTANCE, from 1", ANY),
        differs("increment_var", "env", "a process for each instance", ANY),
        differs("treekill", "", "always: no descendant remains", ON),
        same("port", "env", "PORT"),
        same("uid", "user"),
        same("user", "user"),
        same("gid", "group"),
        none("username", "set by PM2 itself", ANY),
        none("force", "two processes may run the same", ANY),
        none("append_env_to_name", "one file for all environments", OFF),
        none("execute_command", _NODE_ALONE, ANY),
        none("source_map_support", _NODE_ALONE, ANY),
        none("disable_source_map_support", _NODE_ALONE, ANY),
        *(
            none(name, _AGENT, ANY)
            for name in (
                "trace",
                "disable_trace",
                "v8",
                "event_loop_inspector",
                "deep_monitoring",
                "pmx",
                "automation",
                "io",
                "vizion",
            )
        ),
        none("windowsHide", "Linux only", ANY),
        none("write", "the configuration is yours to write", ANY),
        none("install_url", "nothing is installed", ANY),
        none("post_update", "a release is built, not pulled", ANY),
    ),
)

ECOSYSTEM: Final = Table(
    "the file",
    (
        same("apps", "processes"),
        none("deploy", "a release is built and copied: see `limpet release`"),
    ),
)

TABLES: Final = (APP, ECOSYSTEM)
