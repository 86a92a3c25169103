"""circus.ini, Procfile, process-compose.yaml and ecosystem.json mean the same as a limpet.toml."""

import json

import pytest

from limpet_supervisor.errors import LimpetError

CIRCUS = """
    [circus]
    check_delay = 5
    umask = 022
    statsd = True

    [env]
    CAKE = lie
    PATH = /opt:$PATH

    [env:web*]
    STAGE = live

    [watcher:web]
    cmd = serve --fd $(circus.sockets.http) --stage $(circus.env.stage)
    use_sockets = True
    numprocesses = 3
    rlimit_nofile = 500
    rlimit_core =
    stop_signal = int
    working_dir = /srv
    max_age = 3600
    hooks.before_start = shop.hooks.check
    stdout_stream.class = FileStream
    stdout_stream.filename = /var/log/web.log
    stdout_stream.max_bytes = 1048576
    stdout_stream.backup_count = 2

    [watcher:each]
    cmd = run
    args = --number $(circus.wid) '$HOME'
    numprocesses = 2
    priority = 10
    respawn = False
    graceful_timeout = 2.5

    [socket:http]
    host = 127.0.0.1
    port = 8080

    [plugin:flapping]
    use = circus.plugins.flapping.Flapping
    max_retry = 2
"""


def test_circus(imported) -> None:
    found = imported("circus.ini", CIRCUS)
    web = found.process("web")
    assert web.command == ("serve", "--fd", "3", "--stage", "live")
    assert (web.instances, web.stop_signal, web.shutdown, web.cwd) == (3, "INT", 30, "/srv")
    assert (web.limits, web.umask, web.max_age) == ({"nofile": 500, "core": "infinity"}, "022", 3600)
    assert web.env == {"CAKE": "lie", "PATH": "/opt:/usr/bin:/bin", "STAGE": "live"}
    assert (web.log.file, web.log.max_bytes, web.log.backups) == ("/var/log/web.log", 1024**2, 2)
    assert [(socket.name, socket.bind) for socket in found.spec.sockets] == [("http", "127.0.0.1:8080")]
    assert list(found.processes) == ["each-1", "each-2", "web"]
    each = found.process("each-2")
    assert (each.command, each.restart, each.shutdown) == (
        ("run", "--number", "2", "$HOME"),
        "temporary",
        2.5,
    )
    assert {"hooks.before_start", "statsd", "umask", "use"} <= found.noted
    assert "backoff" in found.notes("use")[0]


def test_circus_takes_a_socket_as_standard_input_and_a_virtualenv(imported) -> None:
    found = imported(
        "circus.ini",
        """
        [watcher:php]
        cmd = php
        stdin_socket = fcgi
        virtualenv = /venv
        [socket:fcgi]
        path = /run/php.sock
        umask = 007
        """,
    )
    assert found.process("php").command == ("/bin/sh", "-c", 'exec "$@" 0<&3', "sh", "php")
    assert found.process("php").env == {"VIRTUAL_ENV": "/venv", "PATH": "/venv/bin:/usr/bin:/bin"}
    assert (found.spec.sockets[0].bind, found.spec.sockets[0].mode) == ("unix:/run/php.sock", "0770")


def test_circus_knows_the_environment_everywhere(imported) -> None:
    found = imported(
        "circus.ini",
        """
        [env]
        PLACE = /srv
        [watcher:web]
        cmd = $(circus.env.HOME)/bin/serve ((circus.env.place))
        virtualenv = $(circus.env.HOME)/venv
        numprocesses = $(circus.env.COUNT)
        stdout_stream.filename = $(circus.env.PLACE)/log
        stderr_stream.filename = $(circus.env.PLACE)/log
        [socket:web]
        host = *
        port = $(circus.env.PORT)
        """,
        HOME="/home/ada",
        PORT="8080",
        COUNT="3",
    )
    web = found.process("web")
    assert web.command == ("/home/ada/bin/serve", "/srv")
    assert web.env["VIRTUAL_ENV"] == "/home/ada/venv"
    assert (web.instances, web.log.file) == (3, "/srv/log")
    assert found.spec.sockets[0].bind.endswith(":8080")
    assert "stderr_stream.filename" not in found.noted


PROCFILE = """
# a comment
web: gunicorn app:app --bind 0.0.0.0:$PORT
admin: serve --port ${PORT}
worker: QUEUE=mail celery -A app worker
clock: tick && tock "$HOME"
release: ./manage.py migrate
"""


def test_procfile(imported) -> None:
    found = imported("Procfile", PROCFILE)
    assert found.process("web").command == ("gunicorn", "app:app", "--bind", "0.0.0.0:5000")
    assert found.process("admin").command == ("serve", "--port", "5100")
    assert found.process("admin").env == {"PORT": "5100"}
    assert found.process("worker").command == ("celery", "-A", "app", "worker")
    assert found.process("worker").env == {"QUEUE": "mail"}
    assert found.process("clock").command == ("/bin/sh", "-c", 'tick && tock "$HOME"')
    assert (found.process("release").ready.kind, found.process("release").restart) == (
        "completed",
        "transient",
    )
    assert found.process("web").after == ("release",)
    assert imported("Procfile", PROCFILE, PORT="80").process("web").command[-1] == "0.0.0.0:80"


@pytest.mark.parametrize(
    "line", ["run '$NAME'", "A=$B run", "run ${X:-1}", "run 'it", "a | b", "a > b", "cd a; b"]
)
def test_what_only_a_shell_reads_is_left_to_a_shell(imported, line) -> None:
    assert imported("Procfile", f"web: {line}").process("web").command == ("/bin/sh", "-c", line)


def test_what_has_a_variable_alone_needs_no_shell(imported) -> None:
    found = imported("Procfile", 'web: run "$NAME x"', NAME="a b")
    assert found.process("web").command == ("run", "a b x")


COMPOSE = """
    version: "0.5"
    log_level: info
    environment: ["STAGE=live", "HOME2=${HOME}"]
    vars: {PORT: 8080}
    shell: {shell_command: sh, shell_argument: -c}
    processes:
      migrate:
        command: "migrate $${A} ${B}"
        description: brings the database up
      db:
        entrypoint: ["db", "--dir", "${DIR}"]
        availability: {restart: always, backoff_seconds: 2}
        readiness_probe:
          exec: {command: pg_isready, working_dir: /srv}
          period_seconds: 30
      web:
        command: "serve {{.PORT}}"
        replicas: 2
        availability: {restart: on_failure, exit_on_end: true}
        depends_on:
          migrate: {condition: process_completed_successfully}
          db: {condition: process_healthy}
        liveness_probe:
          http_get: {port: "{{.PORT}}", path: /health, headers: {A: b}}
          period_seconds: 5
        shutdown: {signal: 2, timeout_seconds: 3, command: stop me}
        success_exit_codes: [130]
        log_configuration: {rotation: {max_size_mb: 2, max_backups: 3, compress: true}}
        schedule: {cron: "0 * * * *"}
      each:
        extends: web
        command: "each {{.PC_REPLICA_NUM}}"
        schedule:
        is_tty: true
        wat: 1
"""


def test_process_compose(imported) -> None:
    found = imported("process-compose.yaml", COMPOSE, HOME="/home/ada")
    migrate, db, web = (found.process(name) for name in ("migrate", "db", "web"))
    assert migrate.command == ("sh", "-c", "migrate ${A} ${B}")
    assert (migrate.ready.kind, migrate.restart) == ("completed", "temporary")
    assert migrate.env == {"STAGE": "live", "HOME2": "/home/ada"}
    assert "# brings the database up" in found.toml
    assert (db.command, db.restart) == (("db", "--dir", ""), "permanent")
    assert (db.backoff.base, db.backoff.factor) == (2, 1)
    assert (db.ready.command, db.ready.timeout) == (("sh", "-c", "cd /srv && pg_isready"), 90)
    assert web.after == ("migrate", "db")
    assert web.liveness
    assert (web.liveness.target, web.liveness.every) == ("http://127.0.0.1:8080/health", 5)
    assert (web.log.max_bytes, web.log.backups, web.log.compress) == (2 * 1024**2, 3, True)
    assert (web.stop_signal, web.shutdown, web.success_exit_codes) == ("INT", 3, (0, 130))
    assert (web.significant, found.spec.root.auto_shutdown) == (True, "any_significant")
    assert web.instances == 0, "what has a schedule is not started at boot"
    assert [found.process(f"each-{k}").command[-1] for k in (0, 1)] == ["each 0", "each 1"]
    assert {"liveness_probe.http_get.headers", "schedule", "shutdown.command", "is_tty", "wat"} <= found.noted
    assert not {"command", "replicas", "vars", "version", "success_exit_codes"} & {
        note.option for note in found.imported.notes if note.place == "processes.web"
    }


def test_process_compose_merges_what_it_extends_and_its_override(imported, tmp_path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "base.yaml").write_text("processes: {a: {command: a, working_dir: /a}, b: {command: b}}")
    (site / "process-compose.override.yaml").write_text("processes: {b: {command: c}}")
    found = imported("process-compose.yaml", "extends: base.yaml\nprocesses: {a: {command: d}}")
    assert {name: process.command[-1] for name, process in found.processes.items()} == {"a": "d", "b": "c"}
    assert found.process("a").cwd == "/a"


ECOSYSTEM = {
    "apps": [
        {
            "name": "API server", "script": "./app.py", "args": ["--x", "a b"],
            "interpreter": "/venv/bin/python",
            "instances": "max", "env": {"DEBUG": True, "N": 1, "D": "$${x}"}, "env_production": {"N": 2},
            "max_memory_restart": "200M", "kill_timeout": 5000, "stop_exit_codes": [0, 3], "watch": True,
            "out_file": "/var/log/out.log", "log_type": "json", "exec_mode": "cluster", "uid": 33,
        },
        {"script": "worker.js", "instances": 2, "increment_var": "PORT", "env": {"PORT": 4000},
         "args": "-a 'b c'", "restart_delay": 4000, "autorestart": False, "min_uptime": "10s",
         "node_args": "--inspect"},
    ],
    "deploy": {},
}  # fmt: skip


def test_pm2(imported) -> None:
    found = imported("ecosystem.json", json.dumps(ECOSYSTEM), INSTANCES="4")
    api = found.process("api-server")
    assert api.command == ("/venv/bin/python", "./app.py", "--x", "a b")
    assert api.env == {"DEBUG": "true", "N": "1", "D": "$${x}"}
    assert (api.instances, api.stop_signal, api.shutdown) == (4, "INT", 5)
    assert (api.restart, api.success_exit_codes, api.max_memory) == ("transient", (0, 3), 200 * 1024**2)
    assert (api.log.file, api.log.format, api.user) == ("/var/log/out.log", "json", "33")
    worker = found.process("worker-1")
    assert worker.command == ("node", "--inspect", "worker.js", "-a", "b c")
    assert (worker.env, worker.restart, worker.shutdown) == ({"PORT": "4001"}, "temporary", 1.6)
    assert (worker.backoff.base, worker.backoff.factor, worker.backoff.reset) == (4, 1, 10)
    assert {"env_production", "watch", "deploy", "exec_mode"} <= found.noted


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("circus.ini", "[circus]\nno option", "is no circus.ini"),
        ("circus.ini", "[circus]\n[watcher:a]\ncmd = a $(circus.sockets.b)\n", "there is no [socket:b]"),
        ("Procfile", "web gunicorn", "Procfile:1 is no line"),
        ("Procfile", "# nothing", "has no processes"),
        ("process-compose.yaml", "a: [", "is no YAML"),
        ("process-compose.yaml", "services: {}", "it has no processes"),
        ("process-compose.yaml", "processes: {a: {command: a, depends_on: {b: }}}", "depends on b"),
        ("process-compose.yaml", "processes: {a: {extends: a}}", "extends"),
        ("ecosystem.json", "{", "is no JSON"),
        ("ecosystem.json", '[{"name": "a"}]', "has no script"),
        ("ecosystem.config.js", "module.exports = {}", "it is not evaluated here. node -p"),
    ],
)
def test_what_cannot_be_understood_is_an_error_that_says_where(imported, name, text, said) -> None:
    with pytest.raises(LimpetError) as raised:
        imported(name, text)
    assert said in str(raised.value)
