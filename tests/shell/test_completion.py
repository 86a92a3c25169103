"""Completion scripts: generated from the parsers, and tried in the shells that are here."""

import os
import shutil
import subprocess

import pytest

from limpet_shell import cli, completion
from support.command import Shop, open_shop, shop
from support.terminal import Terminal


def in_bash(place: Shop, line: str) -> list[str]:
    """What bash offers at the end of a command line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
limpet() {{ {" ".join(place.arguments())} "$@"; }}
eval "$(limpet completion bash)"
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
_limpet_complete
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=place.environ,
        cwd=place.directory,
    )
    return done.stdout.split()


def executable(place: Shop) -> None:
    """Makes the command a file, for a PATH that begins with the shop's directory."""
    command = f"{place.directory}/limpet"
    with open(command, "w") as file:
        file.write(f'#!/bin/sh\nexec {" ".join(place.arguments())} "$@"\n')
    os.chmod(command, 0o700)


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_every_verb_and_option_is_in_every_script(shell: str) -> None:
    script = completion.SCRIPTS[shell]()
    for shape in completion.shapes():
        assert shape.verb in script
        for option in shape.options:
            for flag in option.flags:
                assert (flag if shell != "fish" else flag.lstrip("-")) in script, (shape.verb, flag)


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_a_shell_accepts_its_script(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=completion.SCRIPTS[shell](), text=True, check=True)


def test_hidden_verbs_stay_hidden() -> None:
    assert "_complete" in cli.VERBS
    assert "_complete" not in {shape.verb for shape in completion.shapes()}


def test_bash_completes_verbs() -> None:
    with shop() as place:
        assert in_bash(place, "limpet sta") == ["start", "start_iex", "status", "stacks"]


def test_bash_completes_options_and_their_choices() -> None:
    with shop() as place:
        assert in_bash(place, "limpet status --js") == ["--json"]
        assert in_bash(place, "limpet status --color ") == ["auto", "always", "never"]
        assert in_bash(place, "limpet completion ") == ["bash", "zsh", "fish"]
        assert in_bash(place, "limpet help rpc") == ["rpc"]


def test_bash_completes_names_from_the_running_node() -> None:
    with open_shop() as (place, _):
        assert in_bash(place, "limpet why w") == ["web", "worker", "web.1", "worker.1"]
        assert in_bash(place, "limpet rpc --process wo") == ["worker", "worker.1"]
        assert in_bash(place, "limpet ctl sca") == ["scale"]
        assert in_bash(place, "limpet ctl restart wo") == ["worker", "worker.1"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("limpet sta", ["stacks", "start", "start_iex", "status"]),
        ("limpet status --js", ["--json"]),
        ("limpet completion ", ["bash", "fish", "zsh"]),
        ("limpet why wor", ["worker", "worker.1"]),
        ("limpet ctl sca", ["scale"]),
        ("limpet ctl restart wor", ["worker", "worker.1"]),
    ],
)
def test_fish_completes_the_same(line: str, wanted: list[str]) -> None:
    with open_shop() as (place, _):
        executable(place)
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"limpet completion fish | source; complete -C {line!r}"],
            capture_output=True,
            text=True,
            check=True,
            env={**place.environ, "PATH": f"{place.directory}:{os.environ['PATH']}"},
            cwd=place.directory,
        )
    assert sorted(offer.split("\t")[0] for offer in done.stdout.splitlines()) == wanted


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_commands_and_then_their_names() -> None:
    with open_shop() as (place, _):
        executable(place)
        environ = {**place.environ, "PATH": f"{place.directory}:{os.environ['PATH']}", "PS1": "zsh> "}
        with Terminal(["zsh", "-f", "-i"], environ, cwd=place.directory) as terminal:
            terminal.wait_for("zsh>")
            terminal.send("autoload -Uz compinit; compinit -u -D\r")
            terminal.send('eval "$(limpet completion zsh)"; print -r loa""ded\r')
            terminal.wait_for("\nloaded")
            terminal.send("limpet ctl resta\twor\t")
            terminal.wait_for("limpet ctl restart worker")


def test_without_a_node_there_are_no_names_and_no_noise() -> None:
    with shop() as place:
        done = place.run("_complete", "names")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_releases_are_those_of_the_project() -> None:
    with shop() as place:
        with open(f"{place.directory}/pyproject.toml", "w") as file:
            file.write("[tool.limpet.releases.shop]\n[tool.limpet.releases.admin]\n")
        assert place.run("_complete", "releases").stdout.split() == ["shop", "admin"]
