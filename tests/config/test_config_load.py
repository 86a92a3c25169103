"""What a configuration means: every key, its forms, and what is found out."""

import math
import sys
from pathlib import Path

import msgspec
import pytest

from limpet_supervisor.config.load import load, load_process
from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import (
    AutoShutdown,
    Backoff,
    Liveness,
    Log,
    NodeSpec,
    Ready,
    ReleaseOptions,
    RestartType,
    SocketSpec,
    Strategy,
    Strip,
    SupervisorSpec,
)
from support.configuration import load_text, load_web, write


def test_nothing_said_is_the_models_default(tmp_path: Path) -> None:
    node = load_text(tmp_path, "")
    assert (node.name, node.version, node.env, node.on_supervisor_death) == ("shop", "0.0.0", "dev", "adopt")
    assert node.root == SupervisorSpec(name="root")
    assert node.release == ReleaseOptions()
    assert (node.directory, node.source) == (str(tmp_path), str(tmp_path / "limpet.toml"))
    assert node.python == sys.executable


def test_a_pyproject_and_a_limpet_toml_mean_the_same(tmp_path: Path) -> None:
    keys = 'strategy = "rest_for_one"\nmax_restarts = 7\n'
    web = 'command = ["true"]\nafter = ["db"]\n'
    db = 'entry = "a.b:main"\n'
    alone = write(
        tmp_path, f'name = "shop"\nversion = "1.2"\n{keys}[processes.web]\n{web}[processes.db]\n{db}'
    )
    at = "tool.limpet.releases.shop"
    project = write(
        tmp_path,
        f'[project]\nname = "shop"\nversion = "1.2"\n'
        f"[{at}]\n{keys}[{at}.processes.web]\n{web}[{at}.processes.db]\n{db}",
        "pyproject.toml",
    )
    first, second = load(alone, environ={}), load(project, environ={})
    assert first.root == second.root
    assert first.root.strategy is Strategy.REST_FOR_ONE
    assert [process.name for process in first.root.processes] == ["web", "db"]
    assert first.version == second.version == "1.2"


def test_every_key_of_a_process(tmp_path: Path) -> None:
    web = load_web(
        tmp_path,
        """
        instances = 4
        restart = "transient"
        shutdown = "brutal_kill"
        stop_signal = "SIGQUIT"
        success_exit_codes = [0, 3]
        ready = { http = "http://127.0.0.1:4000/health", timeout = "2m", every = 0.5 }
        liveness = { exec = ["check", "it"], every = "5s", timeout = "1s", failures = 2 }
        env = { LEVEL = "info", PORT = 4000 }
        cwd = "sub"
        user = "www-data"
        group = "33"
        umask = "027"
        nice = -5
        limits = { nofile = 4096, core = "infinity", as = "1GiB" }
        max_memory = "64MiB"
        max_age = "1d"
        backoff = { base = "1s", max = "1m", factor = 3, jitter = 0, reset = "10s" }
        log = { file = "none", max_bytes = "1M", backups = 0, format = "json", on_full = "block" }
        agent = false
        """,
    )
    assert (web.instances, web.restart, web.stop_signal, web.agent) == (
        4,
        RestartType.TRANSIENT,
        "QUIT",
        False,
    )
    assert web.shutdown == 0.0
    assert web.success_exit_codes == (0, 3)
    assert web.ready == Ready(kind="http", target="http://127.0.0.1:4000/health", timeout=120, every=0.5)
    assert web.liveness == Liveness(kind="exec", command=("check", "it"), every=5, timeout=1, failures=2)
    assert web.env == {"LEVEL": "info", "PORT": "4000"}
    assert web.cwd == str(tmp_path / "sub")
    assert (web.user, web.group, web.umask, web.nice) == ("www-data", "33", "027", -5)
    assert web.limits == {"nofile": 4096, "core": "infinity", "as": 1024**3}
    assert (web.max_memory, web.max_age) == (64 * 1024**2, 86400)
    assert web.backoff == Backoff(base=1, max=60, factor=3.0, jitter=0.0, reset=10)
    assert web.log == Log(file="none", max_bytes=1024**2, backups=0, format="json")


def test_a_name_that_no_file_could_have_is_refused(tmp_path: Path) -> None:
    """It was a failed start, of a process that `check` had nothing against."""
    with pytest.raises(ConfigError) as caught:
        load_text(tmp_path, f"[processes.{'a' * 201}]\ncommand = 'x'\n")
    assert "at most 200 lower-case letters" in str(caught.value)
    load_text(tmp_path, f"[processes.{'a' * 200}]\ncommand = 'x'\n")


@pytest.mark.parametrize(
    ("written", "shutdown"),
    [('"10s"', 10), ("2.5", 2.5), ('"1m30s"', 90), ('"infinity"', math.inf), ("0", 0)],
)
def test_shutdown_is_a_duration_or_one_of_otps_words(tmp_path: Path, written: str, shutdown: float) -> None:
    assert load_web(tmp_path, f"shutdown = {written}").shutdown == shutdown


@pytest.mark.parametrize(
    ("written", "ready"),
    [
        ('"spawned"', Ready()),
        ('"notify"', Ready(kind="notify")),
        ('{ notify = true, timeout = "5m" }', Ready(kind="notify", timeout=300)),
        ('{ tcp = "db:5432" }', Ready(kind="tcp", target="db:5432")),
        ('{ tcp = "[::1]:5432" }', Ready(kind="tcp", target="[::1]:5432")),
        ('{ tcp = "unix:/run/x.sock" }', Ready(kind="tcp", target="unix:/run/x.sock")),
        ("{ log = '^listening on \\d+$' }", Ready(kind="log", target=r"^listening on \d+$")),
        ('{ exec = "pg_isready -q" }', Ready(kind="exec", command=("pg_isready", "-q"))),
    ],
)
def test_forms_of_readiness(tmp_path: Path, written: str, ready: Ready) -> None:
    assert load_web(tmp_path, f"ready = {written}").ready == ready


def test_a_command_in_one_string_is_split_before_references_are_replaced(tmp_path: Path) -> None:
    text = "[processes.web]\ncommand = \"run '${A}' ${B}\\n\\\\$x\"\n"
    web = load_text(tmp_path, text, {"A": "one two", "B": "three four"}).root.processes[0]
    assert web.command == ("run", "one two", "three four", "$x")


def test_sockets_have_numbers_in_their_order_and_are_inherited_where_they_are_named(tmp_path: Path) -> None:
    node = load_text(
        tmp_path,
        """
        [sockets.http]
        bind = "127.0.0.1:${PORT:-4000}"
        [sockets.admin]
        bind = "unix:/run/shop.sock"
        backlog = 16
        mode = "0660"
        [processes.web]
        command = ["serve", "--fd", "${sockets.admin}"]
        [processes.env]
        command = ["serve"]
        env = { FD = "${sockets.http}" }
        [processes.listed]
        command = ["serve"]
        sockets = ["admin", "http"]
        [processes.none]
        command = ["serve"]
        """,
    )
    assert node.sockets == (
        SocketSpec("http", "127.0.0.1:4000"),
        SocketSpec("admin", "unix:/run/shop.sock", 16, "0660"),
    )
    web, env, listed, none = node.root.processes
    assert (web.command[-1], web.names_sockets, web.sockets) == ("4", True, ())
    assert (env.env, env.names_sockets) == ({"FD": "3"}, True)
    assert (listed.sockets, listed.names_sockets) == (("admin", "http"), False)
    assert (none.sockets, none.names_sockets) == ((), False)


def test_supervisors_nest(tmp_path: Path) -> None:
    root = load_text(
        tmp_path,
        """
        auto_shutdown = "any_significant"
        [[supervisors]]
        name = "search"
        strategy = "one_for_all"
        restart = "transient"
        significant = true
        max_seconds = "1m"
        [supervisors.processes.index]
        command = ["true"]
        [[supervisors.supervisors]]
        name = "inner"
        [supervisors.supervisors.processes.feed]
        command = ["true"]
        after = ["index", "web"]
        [[supervisors]]
        name = "mail"
        [processes.web]
        command = ["true"]
        """,
    ).root
    search, mail = root.supervisors
    assert root.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
    assert (search.name, search.strategy, search.significant, search.max_seconds) == (
        "search",
        "one_for_all",
        True,
        60,
    )
    assert [process.name for process in search.processes] == ["index"]
    assert search.supervisors[0].processes[0].after == ("index", "web")
    assert mail == SupervisorSpec(name="mail")


def test_an_env_file_lies_below_env(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text("# secrets\nexport KEY='a b'\nLEVEL=debug # why\n")
    web = load_web(tmp_path, 'env_file = "prod.env"\nenv = { LEVEL = "info" }')
    assert web.env == {"KEY": "a b", "LEVEL": "info"}
    assert web.env_file == str(tmp_path / "prod.env")


def test_numbers_and_booleans_may_come_from_the_environment(tmp_path: Path) -> None:
    text = 'instances = "${N:-2}"\nagent = "${AGENT}"\nbackoff = { factor = "${F}" }\nmax_age = "${AGE}"'
    web = load_web(tmp_path, text, {"AGENT": "no", "F": "1.5", "AGE": "2h"})
    assert (web.instances, web.agent, web.backoff.factor, web.max_age) == (2, False, 1.5, 7200)


def test_runtime_config_is_there_by_default_if_its_file_is(tmp_path: Path) -> None:
    assert load_text(tmp_path, "").runtime_config == ""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/runtime.py").touch()
    (tmp_path / "other.py").touch()
    assert load_text(tmp_path, "").runtime_config == str(tmp_path / "config/runtime.py")
    assert load_text(tmp_path, "runtime_config = false").runtime_config == ""
    assert load_text(tmp_path, 'runtime_config = "other.py"').runtime_config == str(tmp_path / "other.py")


@pytest.mark.parametrize(
    ("environ", "env"),
    [({}, "dev"), ({"RELEASE_ROOT": "/r"}, "prod"), ({"RELEASE_ROOT": "/r", "LIMPET_ENV": "test"}, "test")],
)
def test_config_env_is_dev_in_a_project_and_prod_in_a_release(tmp_path: Path, environ, env: str) -> None:
    assert load_text(tmp_path, "", environ).env == env


def test_what_the_build_needs_is_read_too(tmp_path: Path) -> None:
    text = (
        'python = "/opt/python"\noverlays = ["rel"]\n'
        'steps = ["a.b:before", "assemble", "tar"]\nstrip = { keep = ["docs"] }'
    )
    assert load_text(tmp_path, text).release == ReleaseOptions(
        python="/opt/python",
        overlays=("rel",),
        steps=("a.b:before", "assemble", "tar"),
        strip=Strip(keep=("docs",)),
    )
    assert load_text(tmp_path, "strip = false").release.strip is False


def test_a_process_that_is_added_sees_the_nodes_sockets_directory_and_processes(tmp_path: Path) -> None:
    node = load_text(tmp_path, '[sockets.a]\nbind = "127.0.0.1:1"\n[processes.web]\ncommand = ["true"]')
    table = {"command": "run --fd ${sockets.a}", "after": ["web"], "cwd": "x", "env": {"A": "${B:-c}"}}
    added = load_process("late", table, node, environ={"B": "d"})
    assert (added.name, added.command, added.names_sockets) == ("late", ("run", "--fd", "3"), True)
    assert (added.after, added.cwd, added.env) == (("web",), str(tmp_path / "x"), {"A": "d"})
    assert load_process(
        "later", {"command": "true", "after": ["late"]}, node, present=["web", "late"], environ={}
    )


@pytest.mark.parametrize(
    ("name", "table", "problem"),
    [
        ("web", {"command": "true"}, 'web: the name "web" is taken by processes.web'),
        ("root", {"command": "true"}, 'root: "root" is the name of the supervisor of all; choose another'),
        ("late", {}, "late: expected command or entry, found neither"),
        (
            "late",
            {"command": "true", "after": ["wob"]},
            'late.after[0]: no process "wob"; did you mean "web"?',
        ),
        (
            "late",
            {"command": "true", "after": ["late"]},
            "late.after: they wait for each other: late -> late",
        ),
    ],
)
def test_a_process_that_cannot_be_added_says_why(tmp_path: Path, name: str, table, problem: str) -> None:
    node = load_text(tmp_path, '[processes.web]\ncommand = ["true"]')
    with pytest.raises(ConfigError, match=f"The process {name} cannot be added") as caught:
        load_process(name, table, node, environ={})
    assert caught.value.problems == (f"processes.{problem}",)


def test_a_process_that_is_added_keeps_otps_rules_with_its_supervisor(tmp_path: Path) -> None:
    node = load_text(tmp_path, '[[supervisors]]\nname = "s"\nauto_shutdown = "any_significant"')
    table = {"command": "true", "significant": True, "restart": "temporary"}
    assert load_process("late", table, node, supervisor=node.root.supervisors[0], environ={}).significant
    with pytest.raises(ConfigError, match=r"late\.significant: significant below"):
        load_process("late", table, node, environ={})


def test_a_spec_that_is_loaded_survives_the_codec(tmp_path: Path) -> None:
    """The bounds that the model writes on its types are bounds that msgspec can check."""
    node = load_text(
        tmp_path,
        """
        [sockets.a]
        bind = "127.0.0.1:1"
        [processes.web]
        command = "serve ${sockets.a}"
        shutdown = "infinity"
        max_memory = "1G"
        liveness = { tcp = "127.0.0.1:1" }
        [[supervisors]]
        name = "s"
        """,
    )
    encoded = msgspec.msgpack.encode(node, enc_hook=lambda value: value + 0)
    assert msgspec.msgpack.decode(encoded, type=NodeSpec, dec_hook=lambda kind, value: kind(value)) == node
