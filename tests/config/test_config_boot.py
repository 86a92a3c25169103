"""config/runtime.py evaluated at boot, by real interpreters, and what `limpet check` looks at."""

import contextlib
import json
import os
import pwd
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import NodeSpec
from limpet_supervisor.runtime.boot_config import Values, evaluate, hand_over, write
from limpet_supervisor.runtime.preflight import problems
from support.configuration import load_text
from support.interpreters import interpreters

AGENT_ROOT = str(Path(__file__).parents[2] / "agent")
ENVIRON = {"PATH": os.defpath, "LANG": "C.UTF-8"}
READ = """
from limpet import config
repo = config.get("shop", "repo")
print(repo, repo["url"].reveal(), config.config_env())
"""
HEAD = "from limpet.config import config, config_env, env, secret\n"


def node(directory: Path, runtime: str, python: str = sys.executable) -> NodeSpec:
    """A node with that config/runtime.py."""
    (directory / "config").mkdir(exist_ok=True)
    (directory / "config/runtime.py").write_text(runtime)
    return replace(load_text(directory, ""), python=python)


def failure(spec: NodeSpec, environ=ENVIRON, **options) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        evaluate(spec, AGENT_ROOT, environ, **options)
    assert caught.value.exit_code == 78
    return caught.value


def read(environ: dict[str, str], **options) -> str:
    """What the application sees of its configuration."""
    around = {**ENVIRON, "PYTHONPATH": AGENT_ROOT, **environ}
    return subprocess.run(
        [sys.executable, "-c", READ], env=around, capture_output=True, text=True, check=True, **options
    ).stdout


@pytest.mark.parametrize("python", interpreters())
def test_what_is_configured_is_what_the_processes_get(tmp_path: Path, python: str) -> None:
    runtime = f"""{HEAD}
config("shop", "repo", url=secret(env("URL")), size=env.int("SIZE", 5))
config("shop", env=config_env())
"""
    values = evaluate(node(tmp_path, runtime, python), AGENT_ROOT, {**ENVIRON, "URL": "pg://hunter2"})
    assert values.names() == {"shop": ("repo", "env")}
    assert "hunter2" not in repr(values)
    write(values, str(tmp_path / "values.json"))
    assert read({"LIMPET_CONFIG": str(tmp_path / "values.json")}) == (
        "{'url': secret(***), 'size': 5} pg://hunter2 dev\n"
    )


def test_the_file_of_values_is_its_owners_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    write(Values(b"old"), str(file))
    write(Values(b"new"), str(file))
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(IsADirectoryError):
        write(Values(b"x"), str(tmp_path / "config.d"), uid=(tmp_path / "config.d").mkdir() or -1)
    assert sorted(os.listdir(tmp_path)) == ["config.d", "values.json"]


def test_values_are_handed_over_to_the_process_that_we_become(tmp_path: Path) -> None:
    """By exec, with no file: as `limpet eval` does."""
    values = evaluate(node(tmp_path, f"{HEAD}config('shop', 'repo', url=secret('u'))"), AGENT_ROOT, ENVIRON)
    environ: dict[str, str] = {}
    hand_over(values, environ)
    descriptor = int(environ["LIMPET_CONFIG"].rpartition("/")[2])
    try:
        assert read(environ, pass_fds=(descriptor,)) == "{'url': secret(***)} u dev\n"
    finally:
        os.close(descriptor)


def test_without_a_runtime_config_there_are_no_values_and_no_process(tmp_path: Path) -> None:
    spec = replace(load_text(tmp_path, ""), python="/does/not/exist", env="prod")
    values = evaluate(spec, "/does/not/exist", {})
    assert values.names() == {}
    assert json.loads(values.document)["env"] == "prod"


@pytest.mark.parametrize("python", interpreters())
def test_a_missing_or_malformed_variable_names_file_and_line(tmp_path: Path, python: str) -> None:
    spec = node(tmp_path, f"{HEAD}\n\nconfig('a', b=env('URL'))\nconfig('a', c=env.int('N', 1))\n", python)
    assert str(failure(spec)) == "URL is not set (config/runtime.py:4)"
    assert str(failure(spec, {**ENVIRON, "URL": ""})) == "URL is empty (config/runtime.py:4)"
    environ = {**ENVIRON, "URL": "x", "N": "many"}
    assert str(failure(spec, environ)) == "N: expected a whole number, found 'many' (config/runtime.py:5)"


def test_a_variable_that_a_module_beside_the_application_asks_for_names_that_module(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("from limpet.config import env\nURL = env('URL')\n")
    assert str(failure(node(tmp_path, "import settings"))) == "URL is not set (settings.py:2)"


@pytest.mark.parametrize("python", interpreters())
def test_an_exception_shows_the_last_lines_of_its_traceback_and_no_secret(
    tmp_path: Path, python: str
) -> None:
    runtime = f"""{HEAD}
config("a", key=secret("hunter2"))

def parse(text):
    raise ValueError(f"bad {{text}}")

parse("hunter2")
"""
    error = failure(node(tmp_path, runtime, python))
    assert error.what == "config/runtime.py cannot be evaluated"
    assert error.why == "ValueError: bad ***"
    shown = "\n".join(error.problems)
    assert 'File "config/runtime.py", line 8, in <module>' in shown
    assert 'File "config/runtime.py", line 6, in parse' in shown
    assert "raise ValueError" in shown
    assert "hunter2" not in str(error)
    assert "runtime_config.py" not in shown


@pytest.mark.parametrize(
    ("runtime", "why"),
    [
        ("def", "SyntaxError: invalid syntax (runtime.py, line 1)"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("raise KeyError", "KeyError"),
        (
            "from limpet.config import config\nconfig('a')",
            "TypeError: config() takes an application, and a key",
        ),
    ],
)
def test_whatever_the_file_raises_is_an_error_of_the_configuration(
    tmp_path: Path, runtime: str, why: str
) -> None:
    error = failure(node(tmp_path, runtime))
    assert error.why.startswith(why)
    assert error.problems


def test_a_value_that_cannot_travel_names_its_line(tmp_path: Path) -> None:
    error = failure(node(tmp_path, f"{HEAD}config('a', b=object())"))
    assert error.what.startswith("a.b: expected None, a boolean, a number")
    assert error.what.endswith("found object (config/runtime.py:2)")


@pytest.mark.parametrize(
    ("runtime", "why"),
    [
        ("import os; os._exit(3)", "it ended with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was killed by SIGKILL"),
    ],
)
def test_an_evaluation_that_does_not_come_to_its_end_says_how_it_ended(
    tmp_path: Path, runtime: str, why: str
) -> None:
    assert str(failure(node(tmp_path, runtime))) == f"config/runtime.py was not evaluated to its end. {why}"


def test_an_evaluation_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """Its child holds a pipe of ours: that reaches its end only when the child is gone."""
    reader, writer = os.pipe()
    runtime = f"""
import os, signal
ours = os.open('/proc/{os.getpid()}/fd/{writer}', os.O_WRONLY)
if os.fork():
    os.close(ours)
signal.pause()
"""
    error = failure(node(tmp_path, runtime), timeout=0.5)
    os.close(writer)
    with open(reader, "rb") as stream:
        assert stream.read() == b""
    assert str(error) == "config/runtime.py took longer than 0.5s. it was stopped. see what it waits for"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_an_evaluation_ends_with_the_command_that_waits_for_it(tmp_path: Path, end: signal.Signals) -> None:
    (tmp_path / "limpet.toml").write_text('name = "shop"\n')
    (tmp_path / "config").mkdir()
    (tmp_path / "config/runtime.py").write_text(
        "import os, pathlib, signal\npathlib.Path('pid').write_text(str(os.getpid()))\nsignal.pause()\n"
    )
    os.mkfifo(tmp_path / "pid")
    with subprocess.Popen([sys.executable, "-m", "limpet_shell", "check"], cwd=tmp_path) as command:
        evaluation = os.pidfd_open(int((tmp_path / "pid").read_text()))
        try:
            command.send_signal(end)
            assert command.wait(30) == -end
            poll = select.poll()
            poll.register(evaluation, select.POLLIN)
            assert poll.poll(30_000)
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(evaluation, signal.SIGKILL)
            os.close(evaluation)


def test_what_the_file_prints_goes_to_standard_error(tmp_path: Path, capfd) -> None:
    evaluate(node(tmp_path, "print('hello')"), AGENT_ROOT, ENVIRON)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "hello\n")


def test_the_application_sees_limpet_and_nothing_else_that_lies_beside_it(tmp_path: Path) -> None:
    root = tmp_path / "site-packages"
    root.mkdir()
    (root / "limpet").symlink_to(f"{AGENT_ROOT}/limpet")
    (root / "neighbour.py").touch()
    spec = node(
        tmp_path,
        "import limpet.config, sys\nassert 'PYTHONPATH' not in __import__('os').environ\nimport neighbour",
    )
    with pytest.raises(ConfigError, match="No module named 'neighbour'"):
        evaluate(spec, str(root), ENVIRON)


def test_an_interpreter_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    error = failure(node(tmp_path, "", "/no/such/python"))
    assert str(error) == f"/no/such/python cannot be run in {tmp_path}. No such file or directory"


PREFLIGHT = """
[processes.fine]
entry = "app.worker:main"
[processes.method]
entry = "app.worker:Job.run"
[processes.command]
command = ["sh"]
[processes.no-module]
entry = "app.wrker:main"
[processes.no-function]
entry = "app.worker:mian"
[processes.no-callable]
entry = "app.worker:VALUE"
[processes.no-import]
entry = "app.broken:main"
[processes.raises]
entry = "app.raises:main"
[processes.dies]
entry = "app.dies:main"
[processes.configured]
entry = "app.configured:main"
env = { MODE = "on" }
[processes.no-command]
command = ["no-such-command"]
[processes.no-list]
command = ["sh -c 'exit 0'"]
[processes.no-file]
command = ["./serve"]
[processes.no-directory]
command = ["sh"]
cwd = "gone"
[processes.no-user]
command = ["sh"]
user = "no-such-user"
"""


@pytest.mark.parametrize("python", interpreters())
def test_what_is_not_on_this_machine_is_found_without_starting_it(tmp_path: Path, python: str) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "worker.py").write_text(
        "VALUE = 1\ndef main(): raise SystemExit\nclass Job:\n    def run(self): pass\n"
    )
    (app / "broken.py").write_text("import json\n\nimport no_such_module\n")
    (app / "raises.py").write_text("\n1 / 0\n")
    (app / "dies.py").write_text("import os\nos._exit(4)\n")
    (app / "configured.py").write_text(
        "import os\nfrom limpet import config\nassert os.environ['MODE'] == 'on'\n"
        "KEY = config.get('shop', 'repo')['url']\ndef main(): pass\n"
    )
    spec = replace(load_text(tmp_path, PREFLIGHT), python=python)
    configured = node(tmp_path, f"{HEAD}config('shop', 'repo', url=secret('u'))", python)
    values = evaluate(configured, AGENT_ROOT, ENVIRON)
    broken = "its import raises ModuleNotFoundError: No module named 'no_such_module' (app/broken.py:3)"
    raises = "its import raises ZeroDivisionError: division by zero (app/raises.py:2)"
    assert problems(spec, AGENT_ROOT, ENVIRON, values) == (
        "no-module: entry app.wrker:main: there is no module app.wrker",
        "no-function: entry app.worker:mian: module app.worker has no mian",
        "no-callable: entry app.worker:VALUE: VALUE is not a function but int",
        f"no-import: entry app.broken:main: {broken}",
        f"raises: entry app.raises:main: {raises}",
        "dies: entry app.dies:main: its import ended with exit code 4",
        "no-command: command not found: no-such-command, in PATH",
        """no-list: command not found: sh -c 'exit 0', in PATH; did you mean ["sh", "-c", "exit 0"]?""",
        f"no-file: command not found: ./serve, in {tmp_path}",
        f"no-directory: cwd: there is no directory {tmp_path}/gone",
        "no-user: there is no user no-such-user",
    )


def test_an_import_that_takes_too_long_is_a_problem_not_a_hang(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import signal\nsignal.pause()\n")
    spec = load_text(tmp_path, '[processes.a]\nentry = "slow:main"')
    assert problems(spec, AGENT_ROOT, ENVIRON, evaluate(spec, AGENT_ROOT, ENVIRON), timeout=0.5) == (
        "a: entry slow:main: its import took longer than 0.5s",
    )


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_values_for_another_user_are_that_users(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    write(Values(b"x"), str(tmp_path / "v"), uid=nobody.pw_uid, gid=nobody.pw_gid)
    info = (tmp_path / "v").stat()
    assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (nobody.pw_uid, nobody.pw_gid, 0o600)
