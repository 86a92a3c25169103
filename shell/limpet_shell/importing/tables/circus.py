"""circus.ini: the options of Circus 0.19, https://circus.readthedocs.io/en/latest/for-ops/configuration/."""

from typing import Final

from limpet_shell.importing.tables import ANY, OFF, ON, Option, Table, differs, none, same

_PACED: Final = "instances start at once; what must wait for another is `after` it"
_IN_NODE: Final = "nothing of the application's runs in the node"


def _stream(name: str) -> tuple[Option, ...]:
    return (
        differs(
            f"{name}.class",
            "log",
            "FileStream and its like: `log`; StdoutStream: `limpet start` prints all output; others: none",
            ANY,
        ),
        differs(f"{name}.filename", "log.file", "one log for both streams", ANY),
        same(f"{name}.max_bytes", "log.max_bytes"),
        same(f"{name}.backup_count", "log.backups"),
        differs(f"{name}.time_format", "log.format", '`"prefix"`, with a format of its own'),
        none(f"{name}.rotate_when", "rotated by size or age, not at a time of day", instead="log.max_age"),
        none(
            f"{name}.rotate_interval", "rotated by size or age, not at a time of day", instead="log.max_age"
        ),
        none(f"{name}.utc", "rotated by size or age, not at a time of day"),
        none(f"{name}.*", "an argument of a Python class, and none is loaded into the node"),
    )


WATCHER: Final = Table(
    "[watcher:x]",
    (
        same("cmd", "command"),
        same("args", "command"),
        same("executable", "command", "in place of the first word"),
        same("shell", "command", '`["/bin/sh", "-c", …]`'),
        same("shell_args", "command"),
        same("working_dir", "cwd"),
        same("uid", "user"),
        same("gid", "group"),
        differs("copy_env", "", "the node's environment is always passed on", ON),
        none("copy_path", "the node's sys.path is its own", OFF, instead="env"),
        same("env", "env", "of [env] and [env:x]"),
        none("warmup_delay", _PACED, OFF, instead="after"),
        differs("autostart", "instances", "false: `instances = 0`; `limpet ctl scale NAME 1` starts it", ON),
        differs("numprocesses", "instances", "with $(circus.wid) in cmd or args: a process for each", ANY),
        same("rlimit_*", "limits"),
        *_stream("stdout_stream"),
        *_stream("stderr_stream"),
        differs("stdin_socket", "sockets", "a shell makes the node's socket the standard input", ANY),
        differs("close_child_stdin", "", "standard input is always /dev/null", ON),
        differs("close_child_stdout", "log.file", '`"none"`: kept nowhere, but shown by `limpet start`', OFF),
        none("close_child_stderr", "both streams have one log", OFF, instead="log.file"),
        none("send_hup", "`limpet ctl signal HUP NAME` sends it", OFF, instead="limpet ctl signal"),
        same("stop_signal", "stop_signal"),
        differs("stop_children", "", "the signal goes to the process; then no descendant remains", OFF),
        differs(
            "max_retry",
            "max_restarts",
            "never given up: tried again, later each time; `max_restarts` holds for the whole node",
            ANY,
        ),
        same("graceful_timeout", "shutdown", "30 s if not given"),
        differs("priority", "", "the order of the file, highest first", ANY),
        same("singleton", "instances", "1"),
        same("use_sockets", "sockets"),
        same("max_age", "max_age"),
        differs("max_age_variance", "max_age", "always up to a tenth of max_age"),
        none("on_demand", "started at boot", OFF),
        none("hooks.*", f"{_IN_NODE}; before a start, a task that it is `after`", instead="after"),
        differs("virtualenv", "env", "VIRTUAL_ENV, and its bin first in PATH", ANY),
        none("virtualenv_py_ver", "the virtual environment has one Python", instead="env"),
        same("respawn", "restart", "false: `temporary`"),
        none(
            "check_flapping", "restarts are always counted, and wait longer each time", ANY, instead="backoff"
        ),
        none("flapping.*", "restarts are always counted, and wait longer each time", ANY, instead="backoff"),
        none("stream_backend", "output is moved by a thread of the node", ANY),
    ),
)

CIRCUS: Final = Table(
    "[circus]",
    (
        none("endpoint", "the control socket is a Unix socket; see `limpet paths`", ANY),
        none("endpoint_owner", "the control socket belongs to the node's user"),
        none("pubsub_endpoint", "`limpet events -f --json` is the stream of events", ANY),
        none("multicast_endpoint", "nodes do not look for each other"),
        none("statsd", "`limpet status --json` has processor time and memory", OFF),
        none("stats_endpoint", "`limpet status --json` has processor time and memory", ANY),
        none("statsd_close_outputs", "there is no statistics daemon", OFF),
        none("check_delay", "nothing is polled", ANY),
        same("include", "", "read, and written to the one limpet.toml"),
        same("include_dir", "", "read, and written to the one limpet.toml"),
        none("warmup_delay", _PACED, OFF, instead="after"),
        none("httpd", "there is no page of the node", OFF),
        none("httpd_host", "there is no page of the node", ANY),
        none("httpd_port", "there is no page of the node", ANY),
        none("httpd_close_outputs", "there is no page of the node", OFF),
        none("debug", "see `limpet events` and `limpet why`", OFF),
        none("debug_gc", "the node's own memory is its own matter", OFF),
        none("pidfile", "`limpet pid` asks the node", instead="limpet pid"),
        differs("umask", "umask", "given to each process"),
        none("loglevel", "what happened is in `limpet events`, at one level"),
        none("logoutput", "no syslog; under systemd the journal has the output", ("-", "stdout")),
        none("loggerconfig", "what happened is in `limpet events`"),
        none("stream_backend", "output is moved by a thread of the node", ANY),
        none("fqdn_prefix", "a node is known by its name", OFF, instead="name"),
    ),
)

SOCKET: Final = Table(
    "[socket:x]",
    (
        same("host", "sockets.NAME.bind"),
        same("port", "sockets.NAME.bind"),
        same("path", "sockets.NAME.bind", "`unix:/path`"),
        differs("family", "sockets.NAME.bind", "follows from the address", ANY),
        none("type", "stream sockets alone", ("sock_stream",)),
        none("interface", "bind to an address of it", instead="sockets.NAME.bind"),
        differs("umask", "sockets.NAME.mode", "the permissions themselves", ANY),
        differs("replace", "", "a stale socket of its own is always replaced, a live one never", ON),
        none("so_reuseport", "one socket, which every instance accepts on", OFF),
        differs("blocking", "", "as the process sets it", OFF),
        same("backlog", "sockets.NAME.backlog"),
        none("proto", "stream sockets alone", OFF),
        none("fd", "descriptors are numbered from 3", OFF),
    ),
)

PLUGIN: Final = Table(
    "[plugin:x]",
    (
        none("use", f"{_IN_NODE}; see below for those of Circus", ANY),
        none("*", "an option of a plugin", ANY),
    ),
)

PLUGINS: Final = Table(
    "plugins (`use = …`)",
    (
        none("circus.plugins.statsd.StatsdEmitter", "`limpet status --json` has the figures"),
        none("circus.plugins.statsd.FullStats", "`limpet status --json` has the figures"),
        none("circus.plugins.redis_observer.RedisObserver", "a check that exits 0", instead="liveness"),
        none("circus.plugins.http_observer.HttpObserver", "a check by HTTP", instead="liveness"),
        none("circus.plugins.resource_watcher.ResourceWatcher", "for memory", instead="max_memory"),
        none("circus.plugins.watchdog.WatchDog", "a check from outside, not a heartbeat", instead="liveness"),
        none(
            "circus.plugins.flapping.Flapping",
            "restarts are always counted, and wait longer each time",
            instead="backoff",
        ),
        none("circus.plugins.command_reloader.CommandReloader", "files are not looked at"),
    ),
)

ENV: Final = Table("[env], [env:x]", (same("*", "env", "$NAME becomes ${NAME:-}"),))

TABLES: Final = (WATCHER, CIRCUS, SOCKET, ENV, PLUGIN, PLUGINS)
