"""A supervisord.conf means the same as a limpet.toml."""

import pytest

from limpet_supervisor.errors import LimpetError

NAME = "supervisord.conf"
SHOP = """
    [supervisord]
    logfile = /tmp/supervisord.log
    environment = STAGE="live",TITLE="a, b"
    nodaemon = true

    [program:web]
    command = /usr/bin/serve --bind %(ENV_HOST)s --title '50%% $HOME' ; a comment
    directory = /srv/%(program_name)s
    priority = 20
    user = www-data
    umask = 027
    stopsignal = QUIT
    stopwaitsecs = 30
    environment = PATH="/opt:%(ENV_PATH)s",NAME="%(program_name)s",WHERE=%(ENV_STAGE)s
    stdout_logfile = /var/log/web.log
    stdout_logfile_maxbytes = 50MB
    stdout_logfile_backups = 3
    redirect_stderr = true
    exitcodes = 0,3

    [program:db]
    command = db
    priority = 10
    autorestart = true
    startsecs = 5

    [program:once]
    command = once
    autorestart = false
    autostart = false
"""


@pytest.fixture
def shop(imported):
    return imported(NAME, SHOP, HOST="192.0.2.1")


def test_a_command_is_split_and_its_expansions_are_references(shop) -> None:
    assert shop.process("web").command == ("/usr/bin/serve", "--bind", "192.0.2.1", "--title", "50% $HOME")
    assert '"${HOST}"' in shop.toml


def test_priorities_are_the_order(shop) -> None:
    assert list(shop.processes) == ["db", "web", "once"]


def test_options_keep_their_meaning(shop) -> None:
    web = shop.process("web")
    assert (web.restart, web.success_exit_codes) == ("transient", (0, 3))
    assert (web.stop_signal, web.shutdown, web.user, web.umask) == ("QUIT", 30, "www-data", "027")
    assert web.cwd == "/srv/web"
    assert (web.log.file, web.log.max_bytes, web.log.backups) == ("/var/log/web.log", 50 * 1024**2, 3)
    assert shop.process("db").restart == "permanent"
    assert shop.process("db").backoff.reset == 5
    assert (shop.process("once").restart, shop.process("once").instances) == ("temporary", 0)


def test_variables_of_the_daemon_are_known_below_it(shop) -> None:
    env = shop.process("web").env
    assert env == {
        "STAGE": "live", "TITLE": "a, b", "PATH": "/opt:/usr/bin:/bin", "NAME": "web", "WHERE": "live",
    }  # fmt: skip
    assert shop.process("db").env == {"STAGE": "live", "TITLE": "a, b"}


def test_what_has_no_equivalent_is_reported_and_what_is_the_same_is_not(shop) -> None:
    assert {"logfile", "startsecs", "autostart"} <= shop.noted
    assert not {"command", "user", "stopsignal", "nodaemon", "environment"} & shop.noted


def test_one_process_alone_never_ends_the_node(shop) -> None:
    assert shop.spec.root.max_restarts >= 10 * len(shop.processes)


def test_a_number_in_what_is_run_makes_a_process_of_each(imported) -> None:
    found = imported(
        NAME,
        """
        [supervisord]
        [program:web]
        command = serve --port 80%(process_num)02d
        process_name = %(program_name)s_%(process_num)02d
        numprocs = 2
        numprocs_start = 1
        stdout_logfile = /var/log/%(program_name)s_%(process_num)d.log
        """,
    )
    assert {name: process.command[-1] for name, process in found.processes.items()} == {
        "web_01": "8001",
        "web_02": "8002",
    }
    assert found.process("web_02").log.file == "/var/log/web_2.log"


def test_a_number_in_the_name_alone_makes_instances(imported) -> None:
    found = imported(
        NAME,
        """
        [supervisord]
        [program:worker]
        command = work
        process_name = %(program_name)s_%(process_num)02d
        numprocs = 4
        stdout_logfile = /var/log/worker_%(process_num)02d.log
        """,
    )
    assert found.process("worker").instances == 4
    assert found.process("worker").log.file == "/var/log/worker.log"
    assert "stdout_logfile" in found.noted


def test_the_socket_of_a_fastcgi_process_is_the_nodes_and_its_standard_input(imported) -> None:
    found = imported(
        NAME,
        """
        [supervisord]
        [fcgi-program:php]
        command = php-cgi -b "x y"
        socket = unix:///run/%(program_name)s.sock
        socket_mode = 0770
        socket_owner = www-data
        """,
    )
    [socket] = found.spec.sockets
    assert (socket.name, socket.bind, socket.mode) == ("php", "unix:/run/php.sock", "0770")
    assert found.process("php").command == (
        "/bin/sh", "-c", 'exec "$@" 0<&3', "sh", "php-cgi", "-b", "x y",
    )  # fmt: skip
    assert "socket_owner" in found.noted


def test_event_listeners_are_left_out_and_named(imported) -> None:
    found = imported(NAME, "[eventlistener:mem]\ncommand = memmon -a 200MB\nevents = TICK_60\n")
    assert found.processes == {}
    assert "memmon" in found.notes("command")[0]


def test_included_files_are_read_below_their_directory(imported, tmp_path) -> None:
    (tmp_path / "site/conf.d").mkdir(parents=True)
    (tmp_path / "site/conf.d/a.ini").write_text("[program:a]\ncommand = %(here)s/run\n")
    found = imported(NAME, "[supervisord]\n[include]\nfiles = conf.d/*.ini none/*.ini\n")
    assert found.process("a").command == (str(tmp_path / "site/conf.d/run"),)
    assert "none/*.ini" in found.notes("files")[0]


def test_a_member_of_a_group_knows_its_group(imported) -> None:
    found = imported(
        NAME, "[program:a]\ncommand = run %(group_name)s\n[group:g]\nprograms = a\npriority = 1\n"
    )
    assert found.process("a").command == ("run", "g")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[program:a]\n", "[program:a] has no command"),
        ("[program:a]\ncommand = a %(nothing)s\n", "%(nothing)s is not known here"),
        ("[program:a]\ncommand = a 'b\n", "cannot be split"),
        ("[program:a]\ncommand = a\nstopsignal = SIGNAL\n", "there is no signal SIGNAL"),
        ("[program:a]\ncommand = a\nstopwaitsecs = soon\n", "stopwaitsecs is 'soon'"),
        ("[program:a]\ncommand = a\nenvironment = A\n", "environment"),
        ("[fcgi-program:a]\ncommand = a\nsocket = 9000\n", "tcp://HOST:PORT"),
        ("[program:a]\nno option\n", "is no supervisord.conf"),
    ],
)
def test_what_cannot_be_understood_is_an_error_that_says_where(imported, text, said) -> None:
    with pytest.raises(LimpetError) as raised:
        imported(NAME, text)
    assert said in str(raised.value)
