"""The session of docs/console.md, typed on a real terminal, shows what it says that it shows."""

import re
import socket
from collections import Counter
from collections.abc import Iterator

from limpet_shell import control
from limpet_shell.console.model import NAMES
from support.bookshop import ROOT, Bookshop, bookshop, requires_bookshop
from support.documents import pattern
from support.terminal import Terminal

DOCUMENT = (ROOT / "docs/console.md").read_text()
_TYPED = re.compile(r"^(?P<prompt>\S+@\S+ \S+ \[\d+\]>) ?(?P<code>.*)$|^ +\.\.\. ?(?P<more>.*)$")

_STALLED = re.compile(r"^\(this stalled \S+ for [\d.]+s\)\n", re.MULTILINE)
"""What a console says on a busy machine as well."""


def blocks() -> Iterator[tuple[str, str]]:
    """Each command of the document, and what is on the screen below it."""
    host = socket.gethostname().partition(".")[0]
    for block in re.findall(r"^```console\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL):
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            # The prompt of a further line is as wide as the first one, and that holds the machine's name.
            yield (
                command,
                re.sub(r"^ +\.\.\.", " … ...", shown.replace("@host ", f"@{host} "), flags=re.MULTILINE),
            )


def typed(shown: str) -> Iterator[tuple[str, str]]:
    """Each prompt (empty: that of a further line) and what is typed there."""
    for line in shown.splitlines():
        if found := _TYPED.match(line.replace(" … ", " ")):
            yield found["prompt"] or "", found["code"] or (found["more"] or "").strip()


def converse(shop: Bookshop, shown: str) -> str:
    """What is on the screen after a session at the console."""
    home = shop.directory.parent / "home"
    (home / ".config/limpet").mkdir(parents=True, exist_ok=True)
    (home / ".config/limpet/console.toml").write_text("status_bar = false\n")
    terminal = Terminal(
        [str(shop.directory.parent / "bin/limpet"), "remote"],
        {**shop.environ, "TERM": "xterm-256color", "NO_COLOR": "1", "HOME": str(home)},
        columns=120,
        lines=100,
        cwd=str(shop.directory),
    )
    with terminal:
        seen: Counter[str] = Counter()
        for prompt, text in typed(shown):
            awaited = prompt or "..."
            seen[awaited] += 1
            terminal.wait_for(awaited, seen[awaited])
            terminal.send(f"{text}\r")
        assert terminal.wait() == 0
    return terminal.text if "(this stalled" in shown else _STALLED.sub("", terminal.text)


@requires_bookshop
def test_its_sessions_show_what_it_says() -> None:
    found = list(blocks())
    assert [command for command, _ in found].count("limpet remote") > 1
    with bookshop() as shop:
        assert "runs in the background" in shop.show("limpet daemon")
        for command, shown in found:
            screen = converse(shop, shown) if command == "limpet remote" else shop.show(command).rstrip("\n")
            assert pattern(shown).fullmatch(f"{screen}\n"), f"$ {command}\n{screen}"


def test_every_command_is_in_its_table() -> None:
    assert {f":{name}" for name in control.COMMANDS} <= set(re.findall(r":[a-z_]+", DOCUMENT))


def test_every_helper_is_in_its_table() -> None:
    names = {name for form, text in NAMES for name in re.findall(r"(\w+)\(", f"{form} {text}")}
    assert names <= set(re.findall(r"`([a-z_]+)\(", DOCUMENT))
