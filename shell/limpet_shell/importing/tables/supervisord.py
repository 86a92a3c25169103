"""supervisord.conf: the options of Supervisor 4, https://supervisord.org/configuration.html."""

from typing import Final

from limpet_shell.importing.tables import ANY, OFF, ON, Table, differs, none, same

_OUTPUT: Final = (
    differs("stdout_logfile", "log.file", "one log for both streams; AUTO is the node's log directory", ANY),
    same("stdout_logfile_maxbytes", "log.max_bytes", "10 MiB if not given, not 50"),
    same("stdout_logfile_backups", "log.backups", "5 if not given, not 10"),
    none("stdout_capture_maxbytes", "communication events are not spoken", OFF),
    none("stdout_events_enabled", "output is followed by `limpet logs -f`, not by events", OFF),
    none("stdout_syslog", "no syslog; under systemd the journal has the output", OFF),
    differs("stderr_logfile", "log.file", "standard error goes to the process's one log", ANY),
    none(
        "stderr_logfile_maxbytes",
        "standard error goes to the process's one log",
        ANY,
        instead="log.max_bytes",
    ),
    none(
        "stderr_logfile_backups", "standard error goes to the process's one log", ANY, instead="log.backups"
    ),
    none("stderr_capture_maxbytes", "communication events are not spoken", OFF),
    none("stderr_events_enabled", "output is followed by `limpet logs -f`, not by events", OFF),
    none("stderr_syslog", "no syslog; under systemd the journal has the output", OFF),
)

_PROCESS: Final = (
    differs("command", "command", "%(ENV_X)s becomes ${X}: a value with blanks stays one word", ANY),
    differs("process_name", "", "instances are named NAME.1, NAME.2, …", ANY),
    differs(
        "numprocs",
        "instances",
        "with %(process_num)d in command, environment or directory: a process for each",
        ANY,
    ),
    differs("numprocs_start", "", "where %(process_num)d begins, if there is a process for each", ANY),
    differs("priority", "", "the order of the file: started in it, stopped in reverse, each waited for", ANY),
    differs("autostart", "instances", "false: `instances = 0`; `limpet ctl scale NAME 1` starts it", ON),
    differs(
        "startsecs",
        "backoff.reset",
        "ready at once (see `ready`); one that stays up so long restarts without delay",
        ("1",),
    ),
    differs(
        "startretries",
        "max_restarts",
        "never given up: tried again, later each time; `max_restarts` holds for the whole node",
        ANY,
    ),
    same("autorestart", "restart", "true: `permanent`, unexpected: `transient`, false: `temporary`"),
    same("exitcodes", "success_exit_codes"),
    same("stopsignal", "stop_signal"),
    same("stopwaitsecs", "shutdown"),
    differs(
        "stopasgroup",
        "",
        "the signal goes to the process; then no descendant remains, whatever its group",
        OFF,
    ),
    same("killasgroup", "", "always: a kill takes every descendant, also outside of its group"),
    same("user", "user"),
    differs("redirect_stderr", "log", "always: one log for both streams", ANY),
    *_OUTPUT,
    same("environment", "env"),
    same("directory", "cwd"),
    same("umask", "umask"),
    none("serverurl", "processes get LIMPET_NODE, LIMPET_PROCESS and LIMPET_INSTANCE", ("auto", "")),
)

PROGRAM: Final = Table("[program:x]", _PROCESS)

FCGI: Final = Table(
    "[fcgi-program:x]",
    (
        *_PROCESS,
        differs("socket", "sockets.NAME.bind", "the node listens; a shell makes it the standard input", ANY),
        same("socket_backlog", "sockets.NAME.backlog"),
        none("socket_owner", "a socket belongs to the node's user", instead="sockets.NAME.mode"),
        same("socket_mode", "sockets.NAME.mode"),
    ),
)

EVENTLISTENER: Final = Table(
    "[eventlistener:x]",
    (
        none("buffer_size", "the listener protocol is not spoken"),
        none("events", "the listener protocol is not spoken", instead="limpet events -f --json"),
        none("result_handler", "the listener protocol is not spoken"),
        *(
            none(option.name, "the listener is left out: its protocol is not spoken", ANY)
            for option in _PROCESS
        ),
    ),
)

GROUP: Final = Table(
    "[group:x]",
    (
        differs("programs", "", "its members are processes of the node, addressed by their own names"),
        differs("priority", "", "the order of the file", ANY),
    ),
)

SUPERVISORD: Final = Table(
    "[supervisord]",
    (
        none("logfile", "the node's own messages go to its log directory; see `limpet paths`"),
        none("logfile_maxbytes", "the node's own log has a bound of its own"),
        none("logfile_backups", "the node's own log has a bound of its own"),
        none("loglevel", "what happened is in `limpet events`, at one level", ("info",)),
        none("pidfile", "`limpet pid` asks the node", instead="limpet pid"),
        differs("umask", "umask", "given to each process that has none of its own", ("022",)),
        differs(
            "nodaemon",
            "limpet start",
            "`limpet start` stays in the foreground, `limpet daemon` does not",
            ANY,
        ),
        none("silent", "a node in the background prints nothing", OFF),
        none("minfds", "limits are the processes' own", instead="limits.nofile"),
        none("minprocs", "limits are the processes' own", instead="limits.nproc"),
        none("nocleanup", "no temporary log files are made", OFF),
        none("childlogdir", "logs are in the node's log directory, or in `log.file`", instead="log.file"),
        differs(
            "user",
            "user",
            "given to each process that has none of its own; the node's user is systemd's matter",
        ),
        differs("directory", "cwd", "given to each process that has none of its own"),
        none("strip_ansi", "output is kept as it is written", OFF),
        same("environment", "env", "of every process"),
        none("identifier", "the node's name", ("supervisor",), instead="name"),
    ),
)

_SERVER: Final = "the control socket is a Unix socket for the node's user and root alone"

UNIX_HTTP_SERVER: Final = Table(
    "[unix_http_server]",
    (
        none("file", _SERVER, ANY, instead="limpet paths"),
        none("chmod", _SERVER),
        none("chown", _SERVER),
        none("username", _SERVER),
        none("password", _SERVER),
    ),
)
INET_HTTP_SERVER: Final = Table(
    "[inet_http_server]",
    (
        none("port", "there is no server on TCP: use ssh"),
        none("username", "there is no server on TCP"),
        none("password", "there is no server on TCP"),
    ),
)
SUPERVISORCTL: Final = Table(
    "[supervisorctl]",
    tuple(
        none(name, "`limpet` finds the node by its name", ANY)
        for name in ("serverurl", "username", "password", "prompt", "history_file")
    ),
)
INCLUDE: Final = Table(
    "[include]", (same("files", "", "read, and their processes written to the one limpet.toml"),)
)
RPCINTERFACE: Final = Table(
    "[rpcinterface:x]",
    (
        none("supervisor.rpcinterface_factory", "nothing is loaded into the node; see `limpet help`", ANY),
        none("*", "nothing is loaded into the node"),
    ),
)

TABLES: Final = (
    PROGRAM,
    FCGI,
    EVENTLISTENER,
    GROUP,
    SUPERVISORD,
    INCLUDE,
    UNIX_HTTP_SERVER,
    INET_HTTP_SERVER,
    SUPERVISORCTL,
    RPCINTERFACE,
)
