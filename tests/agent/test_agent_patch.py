"""`patch`: function bodies exchanged in a live process, all or none; whatever else has changed is refused."""

import re
from collections.abc import Callable

import pytest

from support.agent import Child, Daemon, Peer
from support.tracing import SHOP, Shop

PRICES = '''
"""Prices."""
import functools, threading, time
from dataclasses import dataclass

RATE = 2

def twice(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments) * 2
    return wrapper

class Book:
    """A book."""
    tax = 0.1
    def __init__(self, n):
        self.n = n
    @property
    def total(self):
        return self.n * RATE
    @staticmethod
    def make(n):
        return Book(n)
    @classmethod
    def none(cls):
        return cls(0)

class Rare(Book):
    @property
    def total(self):
        return super().total + 1

@twice
def discount(n):
    return n - 1

@functools.lru_cache
def cached(n):
    return n

def adder(k):
    def add(n, by=1):
        return n + k + by
    return add

def numbers(n, *, step=1):
    for k in range(n):
        yield k * step

async def later(n):
    return n

key = lambda n: n + 1

def loop(started, stop):
    started.set()
    while not stop.wait(0.001):
        pass
    return "old"
'''
"""A module of all kinds of functions, which the application has loaded."""

FRESH = "\ndef fresh(n, by=RATE):\n    return n * by\n"
NEW = (
    PRICES.replace("return self.n * RATE", "rate = RATE + 1\n        return self.n * rate")
    .replace("super().total + 1", "super().total + 10")
    .replace("return n - 1", "return n - 2")
    .replace("return n + k + by", "return n + k + by + 100")
    .replace("yield k * step", "yield k * step + 5")
    .replace("async def later(n):\n    return n", "async def later(n):\n    return fresh(n)")
    .replace("lambda n: n + 1", "lambda n: n + 2")
    .replace("return cls(0)", "self = cls(0)\n        self.why = 'none'\n        return self")
    .replace('return "old"', 'return "new"')
    + FRESH
)
STATE = (
    "[prices.Book(3).total, book.total, prices.Rare(1).total, discount(5), add(1), list(prices.numbers(2)), "
    "asyncio.run(prices.later(4)), prices.key(1), sorted(vars(prices.Book.none()))]"
)
BEFORE = "[6, 6, 3, 8, 12, [0, 1], 4, 2, ['n']]"
AFTER = "[9, 9, 13, 6, 112, [5, 6], 8, 3, ['n', 'why']]"

Loaded = tuple[Peer, Callable[[str], None], Child]


@pytest.fixture
def loaded(node: Daemon) -> Loaded:
    """A process that has loaded `prices`, with references to what is in it; what rewrites its file."""
    file = node.directory / "prices.py"
    file.write_text(PRICES)
    child = node.code(
        "import prices, sys\nprint('up', flush=True)\nsys.stdin.readline()\nprint('bye', flush=True)\n"
    )
    peer = node.accept().load()
    assert child.hear() == "up"
    peer.evaluate(
        "import asyncio, prices; from prices import discount\nbook = prices.Book(3); add = prices.adder(10)"
    )
    assert peer.value(STATE) == BEFORE
    return peer, lambda text: [None, file.write_text(text)][0], child


def refusal(peer: Peer, source: str) -> str:
    reply = peer.evaluate(source)[0]
    assert not reply.ok
    return reply.error or ""


def test_all_kinds_of_functions_change_for_whoever_has_a_reference_and_undo_brings_the_very_code_back(
    loaded: Loaded,
) -> None:
    peer, _, child = loaded
    peer.evaluate("def codes(): return [f.__code__ for f in (prices.Book.total.fget, add, prices.numbers)]")
    peer.evaluate("before = codes()")
    planned = peer.evaluate(f"patch('prices', source={NEW!r}, dry_run=True)")[0]
    assert planned.ok, planned.error
    changed = {row["function"] for row in planned.data["rows"] if row["change"] == "changes"}
    assert changed == {
        "Book.total", "Book.none", "Rare.total", "discount", "adder", "adder.<locals>.add", "numbers",
        "later", "<lambda>", "loop",
    }  # fmt: skip
    assert [row["function"] for row in planned.data["rows"] if row["change"] == "new"] == ["fresh"]
    assert peer.value(STATE) == BEFORE
    done = peer.evaluate(f"patch(prices, source={NEW!r})")[0]
    assert done.ok, done.error
    assert "nothing runs the code from before" in (done.value or "")
    assert peer.value(STATE) == AFTER
    assert peer.evaluate("undo('prices')")[0].ok
    assert peer.value(STATE) == BEFORE
    assert peer.value("[a is b for a, b in zip(before, codes())]") == "[True, True, True]"
    assert peer.value("hasattr(prices, 'fresh')") == "False"
    assert "PatchError: prices is not patched" in refusal(peer, "undo('prices')")
    assert "PatchError: no module is patched" in refusal(peer, "undo()")
    assert child.finish(b"\n") == (0, "bye\n", "")


REFUSED = {
    "signature": (
        "def discount(n):",
        "def discount(n, k=1):",
        "discount: its signature, defaults, decorators or kind",
    ),
    "default": ("def add(n, by=1):", "def add(n, by=2):", None),
    "keyword default": ("step=1", "step=2", "numbers: its signature, defaults, decorators or kind"),
    "decorator": ("@functools.lru_cache\n", "", "cached: its signature, defaults, decorators or kind"),
    "another decorator": (
        "@staticmethod",
        "@classmethod",
        "Book.make: its signature, defaults, decorators or kind",
    ),
    "base": ("class Rare(Book):", "class Rare(object):", "class Rare: its bases or decorators"),
    "constant": ("RATE = 2", "RATE = 3", "line 6: RATE = 3"),
    "constant of a class": ("tax = 0.1", "tax = 0.2", "Book: tax = 0.2"),
    "import": ("import functools, threading, time", "import functools, threading", "an import"),
    "kind": ("async def later", "def later", "later: its signature, defaults, decorators or kind"),
    "a generator no more": (
        "yield k * step",
        "return k",
        "numbers: its signature, defaults, decorators or kind",
    ),
    "removed": (
        "def numbers(n, *, step=1):\n    for k in range(n):\n        yield k * step\n",
        "",
        "numbers is gone",
    ),
    "new method": (
        "    @classmethod",
        "    def more(self):\n        pass\n    @classmethod",
        "or it is a new method",
    ),
    "new decorated function": (
        "key =",
        "@twice\ndef third(n): return n\nkey =",
        "third is new and has a decorator",
    ),
    "new class": ("key =", "class Third: pass\nkey =", "class Third: its bases or decorators, or it is new"),
    "a name that is there": (
        "key =",
        "def time(): pass\nkey =",
        "time is new, and the module has something of that",
    ),
    "super": ("return self.n * RATE", "return super().total", "Book"),
}


def test_whatever_else_has_changed_is_refused_with_its_line_and_nothing_changes(loaded: Loaded) -> None:
    peer, _, _ = loaded
    for what, (old, new, why) in REFUSED.items():
        assert PRICES.count(old) >= 1, what
        source = PRICES.replace("return n - 1", "return n - 9").replace(old, new, 1)
        if why is None:  # of a closure, which its outer function makes: its next call makes another
            assert peer.evaluate(f"patch('prices', source={source!r})")[0].ok
            assert peer.evaluate("undo()")[0].ok
            continue
        error = refusal(peer, f"patch('prices', source={source!r})")
        assert "\nPatchError: prices is not patched: " in error, what
        assert why in error, (what, error)
        planned = peer.evaluate(f"patch('prices', source={source!r}, dry_run=True)")[0]
        assert why in refusal(peer, f"check_patch('prices', source={source!r})")
        assert any(row["change"] == "refused" and why in row["at"] for row in planned.data["rows"])
        assert peer.value(STATE) == BEFORE, what
    assert "SyntaxError" in refusal(peer, "patch('prices', source='def f(:')")
    assert "LookupError: this process has loaded no module 'price'" in refusal(peer, "patch('price')")


def test_a_changed_file_is_compared_with_what_was_loaded_and_its_lines_are_shown(loaded: Loaded) -> None:
    peer, write, _ = loaded
    assert peer.value("patch(prices)") == "nothing has changed"
    write("# moved\n" + NEW.replace("return n - 2", "return n / 0"))
    error = refusal(peer, "patch(prices)")  # nothing was compiled into a file, and nobody has seen its lines
    assert "its source has changed since it was loaded, and is not known any more as it was" in error
    assert peer.evaluate(f"patch(prices, old={PRICES!r})")[0].ok
    error = refusal(peer, "discount(5)")
    line = next(n for n, text in enumerate(NEW.splitlines(), 2) if "return n - 2" in text)
    assert f'prices.py", line {line}, in discount\n    return n / 0\n' in error
    write(PRICES)  # what was patched last is known
    assert "fresh is gone" in refusal(peer, "patch(prices)")
    write(PRICES + FRESH)
    again = peer.evaluate("patch(prices)")[0]
    assert again.ok, again.error
    assert peer.value(STATE) == BEFORE
    assert re.search(r"prices is as before its last patch", peer.value("undo()"))
    assert "ZeroDivisionError" in refusal(peer, "discount(5)")


def test_what_was_compiled_at_its_import_tells_what_was_loaded(node: Daemon) -> None:
    file = node.directory / "prices.py"
    file.write_text(PRICES)
    child = node.code("import prices, sys\nprint('up', flush=True)\nsys.stdin.readline()\n",
                      environment={"PYTHONDONTWRITEBYTECODE": ""})  # fmt: skip
    peer = node.accept().load()
    assert child.hear() == "up"
    file.write_text(NEW)
    peer.evaluate(
        "import asyncio, prices; from prices import discount\nbook = prices.Book(3); add = prices.adder(10)"
    )
    done = peer.evaluate("patch(prices)")[0]
    assert done.ok, done.error
    assert peer.value(STATE) == AFTER


def test_what_runs_goes_on_with_old_code_and_is_not_left_behind_twice(loaded: Loaded) -> None:
    peer, _, _ = loaded
    peer.evaluate("""
import threading
started, stop = threading.Event(), threading.Event()
found = []
thread = threading.Thread(target=lambda: found.append(prices.loop(started, stop)))
thread.start()
started.wait()
half = prices.numbers(3)
next(half)
""")
    done = peer.evaluate(f"patch('prices', source={NEW!r})")[0]
    assert "2 run the code from before: lingering()" in (done.value or "")
    rows = peer.evaluate("lingering('prices')")[0].data["rows"]
    assert {(row["function"], row["in"].split()[0]) for row in rows} == {
        ("loop", "thread"),
        ("numbers", "generator"),
    }
    newer = NEW.replace('return "new"', 'return "newer"')
    error = refusal(peer, f"patch('prices', source={newer!r})")
    assert "loop: older code of it still runs (lingering()); force=True patches it all the same" in error
    assert peer.evaluate(f"patch('prices', source={newer!r}, force=True)")[0].ok
    assert peer.value("stop.set(); thread.join(); found, prices.loop(started, stop), list(half)") == (
        "(['old'], 'newer', [1, 2])"
    )
    assert peer.value("lingering()") == "nothing runs code that was exchanged"


def test_what_is_traced_is_not_patched(loaded: Loaded) -> None:
    peer, _, _ = loaded
    request = peer.send("evaluate", session="b", source="trace('prices:discount', seconds=900)", timeout=None)
    assert "tracing" in peer.answer(request).text
    error = refusal(peer, f"patch('prices', source={NEW!r})")
    assert "discount: a trace or snapshot is set there; end it first" in error
    peer.ask("interrupt", target=request)
    assert peer.reply(request)[0].interrupted
    assert peer.evaluate(f"patch('prices', source={NEW!r})")[0].ok


def test_another_stage_1_can_still_undo_it(node: Daemon, loaded: Loaded) -> None:
    peer, _, _ = loaded
    assert peer.evaluate(f"patch('prices', source={NEW!r})")[0].ok
    node.vanish()
    node.listen()
    again = node.accept().load()
    assert again.evaluate("undo()")[0].ok
    again.evaluate(
        "import asyncio, prices; from prices import discount\nbook = prices.Book(3); add = prices.adder(10)"
    )
    assert again.value(STATE) == BEFORE


def test_patched_again_and_again_under_load_without_an_error(node: Daemon) -> None:
    """Every caller sees old code or new, and both give what the application checks."""
    shop = Shop(node)
    other = (
        SHOP.replace("    total = cart.total\n", "    total = 0\n    total += cart.total\n")
        .replace("return sum", "return sum")
        .replace(
            "        return self.n * self.rate", "        found = self.n * self.rate\n        return found"
        )
    )
    assert other != SHOP
    shop.peer.evaluate(f"import shop; old, new = {SHOP!r}, {other!r}")
    for _ in range(15):
        for source in ("new", "old"):
            reply = shop.peer.evaluate(f"patch(shop, source={source}, force=True)")[0]
            assert reply.ok, reply.error
    assert shop.unharmed()
