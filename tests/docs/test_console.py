"""The session of docs/console.md, typed on a real terminal, shows what it says that it shows."""

import re
import socket
from collections import Counter
from collections.abc import Iterator

from limpet_shell import control
from limpet_shell.console.model import HELPERS
from support.bookshop import ROOT, bookshop, requires_bookshop
from support.documents import pattern
from support.terminal import Terminal

DOCUMENT = (ROOT / "docs/console.md").read_text()
_TYPED = re.compile(r"^(?P<prompt>\S+@\S+ \S+ \[\d+\]>) ?(?P<code>.*)$|^ +\.\.\. ?(?P<more>.*)$")


def session() -> str:
    """The lines on the screen, below the command that opens it."""
    block = re.search(r"^```console\n\$ limpet remote\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert block is not None
    host = socket.gethostname().partition(".")[0]
    # The prompt of a further line is as wide as the first one, and that holds the machine's name.
    return re.sub(r"^ +\.\.\.", " … ...", block[1].replace("@host ", f"@{host} "), flags=re.MULTILINE)


def typed(shown: str) -> Iterator[tuple[str, str]]:
    """Each prompt (empty: that of a further line) and what is typed there."""
    for line in shown.splitlines():
        if found := _TYPED.match(line.replace(" … ", " ")):
            yield found["prompt"] or "", found["code"] or (found["more"] or "").strip()


@requires_bookshop
def test_its_session_shows_what_it_says() -> None:
    shown = session()
    with bookshop() as shop:
        assert "runs in the background" in shop.show("limpet daemon")
        terminal = Terminal(
            [str(shop.directory.parent / "bin/limpet"), "remote"],
            {**shop.environ, "TERM": "xterm-256color", "NO_COLOR": "1"},
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
        assert len(seen) > 6
        assert pattern(shown).fullmatch(f"{terminal.text}\n"), terminal.text


def test_every_command_is_in_its_table() -> None:
    assert {f":{name}" for name in control.COMMANDS} <= set(re.findall(r":[a-z_]+", DOCUMENT))


def test_every_helper_is_in_its_table() -> None:
    names = {name for form, text in HELPERS for name in re.findall(r"(\w+)\(", f"{form} {text}")}
    assert names <= set(re.findall(r"`([a-z_]+)\(", DOCUMENT))
