"""The recording docs/console.cast (asciicast v2): a session at the console of examples/bookshop, typed by us.

python bench/cast.py [file]

The same session gives the same file: frames are taken when what is waited for is on the screen, their times
are made up, and what differs from run to run (pids, durations, the host's name) is written as it is in the
documents.
"""

import json
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.bookshop import bookshop  # noqa: E402
from support.terminal import Terminal  # noqa: E402

COLUMNS, LINES = 100, 30
KEY = 0.06
"""Seconds between two keys."""
READ = 1.8
"""Seconds to read what came."""
SESSION = (
    ("len(app.state.carts)\r", "[2]>"),
    ("await app.state.db.ping()\r", "[3]>"),
    ("tasks()\r", "[4]>"),
    ("for name in ('api', 'db'):\r", "..."),
    ("print(name, hasattr(app.state, name))\r\r", "[5]>"),
    ("1 / 0\r", "[6]>"),
    (":all 'bookshop.web' in sys.modules\r", "worker.1: False\nbookshop@"),
    (":use worker\r", "worker.1 [1]>"),
    ("worker\r", "worker.1 [2]>"),
    ("worker.wo", "worker.wo"),
    ("\t", "worker.work"),
    ("(", "Worker.work() -> int"),
    (")\r", "worker.1 [3]>"),
    (":why worker.1\r", "node booted\nbookshop@"),
    (":quit\r", ""),
)
"""What is typed, and what is on the screen then."""
COLORS = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
Cell = tuple[str, str]


def row(terminal: Terminal, number: int) -> list[Cell]:
    """The cells of a line: their text, and the codes of their looks."""
    cells = []
    for column in range(COLUMNS):
        cell = terminal.screen.buffer[number][column]
        codes = ["1"] if cell.bold else []
        for color, base in ((cell.fg, 30), (cell.bg, 40)):
            name = color.removeprefix("bright")
            if name in COLORS:
                codes.append(str(base + 60 * (name != color) + COLORS.index(name)))
            elif color != "default":
                codes.append(f"{base + 8};2;{int(color[:2], 16)};{int(color[2:4], 16)};{int(color[4:], 16)}")
        cells.append((cell.data, ";".join(codes)))
    return cells


def steady(cells: list[Cell], pids: dict[str, str]) -> list[Cell]:
    """The same line, without what differs from run to run."""

    def written(found: re.Match[str]) -> str:
        if found.lastgroup == "pid":
            return pids.setdefault(found[0], str(28559 + 13 * len(pids)))
        return {"host": "@host", "time": "1.1 ms", "up": "for 12s", "id": "<console 31c012c82e71"}[
            found.lastgroup or ""
        ]

    host = re.escape(f"@{socket.gethostname().partition('.')[0]}")
    varying = rf"(?P<host>{host})|(?<=pid )(?P<pid>\d+)|(?P<time>\d+\.\d+ ms)|(?P<up>for [\d.]+s)"
    varying += r"|<console (?P<id>\w+)"
    text = "".join(data for data, _ in cells)
    made: list[Cell] = []
    at = 0
    for found in re.finditer(varying, text):
        made += cells[at : found.start()]
        made += [(each, cells[found.start()][1]) for each in written(found)]
        at = found.end()
    return made + cells[at:]


class Film:
    """Frames: each draws the lines that are not as they were."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._pids: dict[str, str] = {}
        self._shown = [""] * LINES

    def frame(self, *, typing: bool) -> str:
        """What draws the screen; while somebody types, nothing below the cursor."""
        cursor = self._terminal.screen.cursor
        last = cursor.y if typing else LINES - 1
        drawn = ""
        for number in range(LINES):
            line = self._line(number) if number <= last else ""
            if line != self._shown[number]:
                self._shown[number] = line
                drawn += f"\x1b[{number + 1}H{line}\x1b[K"
        return f"{drawn}\x1b[{cursor.y + 1};{cursor.x + 1}H"

    def _line(self, number: int) -> str:
        looks = line = ""
        for data, codes in steady(row(self._terminal, number), self._pids):
            if codes != looks:
                line += f"\x1b[0;{codes}m" if codes else "\x1b[0m"
                looks = codes
            line += data
        return f"{line}\x1b[0m" if looks else line.rstrip()


def frames(terminal: Terminal) -> Iterator[tuple[float, str]]:
    """Time and screen of each."""
    film = Film(terminal)
    now = 0.5
    terminal.wait_for("web.1 [1]>")
    yield now, film.frame(typing=True)
    for text, awaited in SESSION:
        known = terminal.text.count("...")
        for position, key in enumerate(text):
            terminal.send(key)
            now += KEY
            if key.isprintable():
                terminal.wait_for(text[: position + 1].rstrip())
                yield now, film.frame(typing=True)
        if awaited == "...":
            terminal.wait_for(awaited, known + 1)
        elif awaited:
            terminal.wait_for(awaited)
        elif terminal.wait():
            raise SystemExit("the console has failed")
        now += READ
        yield now, film.frame(typing=not awaited.startswith("Worker."))


def main() -> None:
    to = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/console.cast"
    with bookshop() as shop, tempfile.TemporaryDirectory() as home:
        settings = Path(home, ".config/limpet/console.toml")
        settings.parent.mkdir(parents=True)
        settings.write_text("status_bar = false\n")
        shop.run("limpet daemon")
        environ = {**shop.environ, "TERM": "xterm-256color", "HOME": home, "XDG_STATE_HOME": home}
        for name in ("COLUMNS", "LINES"):
            environ.pop(name, None)
        limpet = str(shop.directory.parent / "bin/limpet")
        with Terminal(
            [limpet, "remote"], environ, columns=COLUMNS, lines=LINES, cwd=str(shop.directory)
        ) as terminal:
            events = [[round(at, 2), "o", text] for at, text in frames(terminal)]
    header = {"version": 2, "width": COLUMNS, "height": LINES, "title": "limpet remote"}
    to.write_text("".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in (header, *events)))
    print(f"{to}: {len(events)} frames, {events[-1][0]:.0f}s, {to.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
