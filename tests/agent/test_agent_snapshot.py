"""`snapshot`: variables and stack at a line while the application goes on."""

import re

import pytest

from support.agent import Daemon
from support.tracing import SHOP, UNTOUCHED, Shop


@pytest.fixture
def shop(node: Daemon) -> Shop:
    return Shop(node)


def line(text: str) -> int:
    """The line of the application on which `text` stands."""
    found = [number for number, each in enumerate(SHOP.splitlines(), 1) if each.strip() == text]
    assert len(found) == 1
    return found[0]


def test_as_many_as_asked_for_with_variables_and_stack_and_no_error_in_the_application(shop: Shop) -> None:
    peer = shop.peer
    peer.evaluate(f"{UNTOUCHED}\nbefore = shop.price.__wrapped__.__code__")
    at = line("total += each")
    reply, out, notice = peer.evaluate(f"snapshot('shop:{at}', when='each == 2 and cart.n == 4')")
    assert reply.ok, reply.error
    assert notice == f"(waiting at shop:price:{at}: limit 3, 60s; Ctrl-C ends it)\n"
    assert (reply.value or "").startswith("snapshots: 3 in ")
    rows = reply.data["rows"]
    assert len(rows) == 3
    for row in rows:
        assert row["variables"] == {
            "cart": "<shop.Cart n=4>", "code": "'Y'", "password": "***", "rest": "(1, 2)",
            "more": "{'z': 4}", "total": "9", "each": "2",
        }  # fmt: skip
        assert row["at"] == f"shop.py:{at}"
        assert row["function"] == "shop:price"
        names = [caller.split()[0] for caller in row["stack"]]
        assert names[:4] == ["price", "logged.<locals>.wrapper", "once", "busy"]
        assert row["stack"][0] == f"price shop.py:{at}"
    assert re.search(rf"^\d\d:\d\d:\d\d\.\d{{3}} busy \d shop:price shop\.py:{at}$", out, re.MULTILINE)
    assert "    total    = 9\n" in out
    assert f"    at price shop.py:{at}\n    from logged.<locals>.wrapper shop.py:" in out
    assert peer.value("shop.price.__wrapped__.__code__ is before") == "True"
    assert peer.value("untouched()") == "[]"
    assert shop.unharmed()


WAYS = """
import sys
def ways(n):
    seen = []
    for k in range(
        n
    ):
        with open("/dev/null") as f:
            try:
                if k == 1:
                    raise ValueError(
                        k)
            except ValueError:
                seen.append("e")
            finally:
                seen.append("f")
    while n:
        n -= 1
    try:
        raise KeyError
    finally:
        return seen
print("up", flush=True)
for line in sys.stdin:
    ways(int(line))
    print("done", flush=True)
"""
COUNTS = {
    4: 1, 5: 1, 6: 1, 8: 3, 9: 3, 10: 3, 11: 1, 12: 1, 13: 1, 14: 1, 16: 3, 17: 1, 18: 3, 19: 1, 20: 1, 22: 1,
}  # fmt: skip
"""How often each line begins in ways(3), counted by hand; the others begin no statement."""


def test_a_statement_counts_once_each_time_it_begins(node: Daemon) -> None:
    child = node.code(WAYS)
    peer = node.accept().load()
    assert child.hear() == "up"
    found = {}
    for at in range(3, 24):
        request = peer.send(
            "evaluate", session="s1", timeout=30, source=f"snapshot('__main__:{at}', 99, 0.3)"
        )
        first = peer.answer(request)
        if first.re:
            assert "no statement of a function begins at line" in (first.error or "")
            continue
        assert "waiting at" in peer.answer(request).text
        child.say("3")
        assert child.hear() == "done"
        found[at] = len(peer.reply(request)[0].data["rows"])
    assert found == COUNTS
    assert child.finish()[0] == 0


def test_coroutines_generators_closures_and_the_first_line_of_a_function(shop: Shop) -> None:
    peer = shop.peer
    for where, names, when in (
        (f"shop:{line('raise KeyError(n)')}", {"n": "3"}, ""),
        (f"shop:fetch:{line('raise KeyError(n)')}", {"n": "3"}, ""),
        ("shop:numbers", {"n": "2"}, "n == 2"),
        ("shop:Cart.total", {"self": "<shop.Cart n=1>"}, "self.n == 1"),
    ):
        reply = peer.evaluate(f"snapshot({where!r}, 2, when={when!r})")[0]
        assert reply.ok, reply.error
        rows = reply.data["rows"]
        assert [row["variables"] for row in rows] == [names] * 2
        task = "client 3" if "KeyError" in where or "3" in names.values() else ""
        assert {row["task"] for row in rows} == {task}
    inner = line("return k + n")
    reply = peer.evaluate(f"snapshot('shop:{inner}', 1, when='n == 4')")[0]
    if peer.hello.python.startswith("3.11."):
        assert "is in outer.<locals>.inner, which is made anew by each call" in (reply.error or "")
    else:
        assert reply.data["rows"][0]["variables"] == {"k": "1", "n": "4"}
    assert shop.unharmed()


def test_a_line_without_a_statement_is_refused_with_those_near_it(shop: Shop) -> None:
    at = line("def numbers(n):")
    for source, wanted in {
        "snapshot('shop:2')": "LookupError: no statement of a function begins at line 2 of shop; near it: ",
        f"snapshot('shop:numbers:{at}')": f"begins at line {at} of shop; near it: {at + 1}, {at + 2}",
        "snapshot('shop:number:7')": "LookupError: shop has no function 'number'; did you mean numbers?",
        "snapshot('shp:7')": "LookupError: this process has loaded no module 'shp'; did you mean shop?",
    }.items():
        error = shop.peer.evaluate(source)[0].error or ""
        assert wanted in error, error
    assert shop.unharmed()


def test_a_trace_and_two_snapshots_in_the_same_function_do_not_disturb_each_other(shop: Shop) -> None:
    peer = shop.peer
    peer.evaluate(f"{UNTOUCHED}\nbefore = shop.price.__wrapped__.__code__", "a")
    sources = (
        f"snapshot('shop:{line('total = cart.total')}', 30)",
        f"snapshot('shop:{line('return total')}', 300)",
        "trace('shop:price', 100)",
    )
    requests = [
        peer.send("evaluate", session=session, source=source, timeout=None)
        for session, source in zip("abc", sources, strict=True)
    ]
    for request, count in zip(requests, (30, 300, 100), strict=True):
        reply = peer.reply(request)[0]
        assert reply.ok, reply.error
        assert len(reply.data["rows"]) == count
    assert peer.value("(shop.price.__wrapped__.__code__ is before, untouched())", "a") == "(True, [])"
    assert shop.unharmed()
