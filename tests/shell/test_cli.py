"""The command line itself: usage, unknown verbs, errors as messages, exit codes and JSON."""

import json
import subprocess

import pytest

from limpet_shell import cli
from limpet_supervisor import errors
from support.command import open_shop, shop

VERBS = sorted(cli.VERBS)
DOCUMENTED = [verb for verb in VERBS if not verb.startswith("_")]


def test_no_verb_shows_usage_on_stderr_and_is_no_failure() -> None:
    with shop() as place:
        done = place.run()
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: limpet COMMAND")


def test_an_unknown_verb_shows_usage_and_fails() -> None:
    with shop() as place:
        done = place.run("frobnicate")
    assert done.returncode == 1
    assert done.stderr.startswith("Usage: ")
    assert done.stderr.endswith("ERROR: Unknown command frobnicate\n")


def test_an_unknown_verb_that_is_near_one_names_that() -> None:
    with shop() as place:
        assert place.run("statsu").stderr.endswith("ERROR: Unknown command statsu; did you mean status?\n")


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["help"]])
def test_a_full_disk_behind_standard_output_is_no_bug(words: list[str]) -> None:
    with open_shop() as (place, _), open("/dev/full", "w") as full:
        done = subprocess.run(
            place.arguments(*words),
            stdout=full,
            stderr=subprocess.PIPE,
            env=place.environ,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert b"What there is to say cannot be written" in done.stderr
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize("verb", ["eval", "rpc"])
def test_eval_and_rpc_want_an_expression(verb: str) -> None:
    with shop() as place:
        done = place.run(verb)
    assert (done.returncode, done.stderr) == (1, f"ERROR: {verb.upper()} expects an expression as argument\n")


@pytest.mark.parametrize("verb", DOCUMENTED)
def test_every_verb_has_help_that_says_what_it_does(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["help", verb]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: limpet ")
    doc = cli.load(verb).__doc__
    assert doc is not None
    assert doc.splitlines()[0] in " ".join(text.split())
    assert "--debug" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_command(verb: str) -> None:
    command = cli.load(verb)
    assert callable(command.add_arguments)
    assert callable(command.run)


def test_the_usage_names_every_verb_but_aliases_and_hidden_ones() -> None:
    shown = cli.usage()
    for verb, (_, group, text) in cli.VERBS.items():
        assert (f"\n  {verb:<12}{text}" in shown) == bool(group), verb


def test_in_a_release_the_usage_names_its_own_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_PROG", "bookshop")
    assert cli.usage().startswith("Usage: bookshop COMMAND")


def test_help_may_be_asked_for_in_every_usual_way(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["help"], ["--help"], ["-h"]):
        assert cli.main(words) == 0
        assert capsys.readouterr().out.startswith("Usage: limpet")
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("limpet ")


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--frobnicate"]) == 2
    error = capsys.readouterr().err
    assert error == "limpet: Unrecognized arguments: --frobnicate. see: limpet status --help\n"


def test_options_may_stand_before_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-f", "/nowhere/limpet.toml", "--json", "status"]) == 78
    assert json.loads(capsys.readouterr().err)["what"] == "/nowhere/limpet.toml cannot be read"


def test_an_error_is_three_facts_and_the_exit_code_of_its_class() -> None:
    with shop() as place:
        done = place.run("rpc", "1")
    assert done.returncode == errors.NodeUnreachable.exit_code
    assert done.stdout == ""
    assert done.stderr.startswith("limpet: bookshop is not running. no control socket in ")
    assert done.stderr.count("\n") == 1


def test_with_json_an_error_is_an_object_on_stderr() -> None:
    with shop() as place:
        done = place.run("status", "--json")
    facts = json.loads(done.stderr)
    assert done.returncode == 3
    assert facts["schema"] == 1
    assert facts["exit_code"] == 3
    assert facts["error"] == "NotRunning"
    assert set(facts) == {"schema", "error", "what", "why", "todo", "exit_code"}


def test_a_traceback_is_shown_only_on_request() -> None:
    with shop() as place:
        assert "Traceback" not in place.run("rpc", "1").stderr
        assert "Traceback" in place.run("rpc", "--debug", "1").stderr
        assert "Traceback" in place.run("rpc", "1", env={**place.environ, "LIMPET_DEBUG": "1"}).stderr


def test_a_bug_of_ours_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_arguments: object) -> int:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli.load("help"), "run", broken)
    assert cli.main(["help"]) == 70
    assert "A bug in Limpet: ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.load("help"), "run", interrupted)
    assert cli.main(["help"]) == 130


def test_a_reader_that_leaves_is_no_error() -> None:
    with open_shop() as (place, _):
        reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        reader.wait()
        assert reader.stdin is not None
        done = subprocess.run(
            place.arguments("help"),
            stdout=reader.stdin,
            stderr=subprocess.PIPE,
            env=place.environ,
            check=False,
        )
        reader.stdin.close()
    assert (done.returncode, done.stderr) == (0, b"")
