"""`trace`: calls as they happen, exactly as many as asked for, and then the application is as before."""

import re
import signal

import pytest

from support.agent import Daemon, until
from support.tracing import UNTOUCHED, Shop

CLOCK = r"\d\d:\d\d:\d\d\.\d{3} "
ELAPSED = r" in [\d.]+(us|ms|s)"


@pytest.fixture
def shop(node: Daemon) -> Shop:
    return Shop(node)


def lines(found: str) -> list[str]:
    """What was printed, without the time of day."""
    shown = found.splitlines()
    assert all(re.match(CLOCK, line) or line.startswith("    from ") for line in shown), found
    return [re.sub(f"^{CLOCK}", "", line) for line in shown]


def test_exactly_as_many_lines_as_asked_for_and_then_the_very_same_code(shop: Shop) -> None:
    peer = shop.peer
    peer.evaluate(f"{UNTOUCHED}\nbefore = shop.price.__wrapped__.__code__, shop.fetch.__code__")
    for limit in (1, 2, 50):
        for name in ("price", "fetch", "numbers"):
            reply, out, _ = peer.evaluate(f"trace('shop:{name}', {limit})")
            assert reply.ok, reply.error
            assert len(lines(out)) == limit
            assert reply.value is not None
            assert reply.value.startswith(f"lines: {limit} in ")
            assert reply.value.endswith(": the limit is reached")
            assert reply.data["kind"] == "trace"
            assert len(reply.data["rows"]) == limit
    assert peer.value("(shop.price.__wrapped__.__code__, shop.fetch.__code__) == before") == "True"
    assert peer.value("shop.price.__wrapped__.__code__ is before[0]") == "True"
    assert peer.value("untouched()") == "[]"
    assert shop.unharmed()


def test_a_call_is_shown_with_its_arguments_and_a_return_with_its_time(shop: Shop) -> None:
    reply, out, notice = shop.peer.evaluate("trace('shop:price', 200, where='cart.n == 4')")
    assert notice == "(tracing shop:price: limit 200, 30s; Ctrl-C ends it)\n"
    shown = lines(out)
    cart = r"<shop\.Cart n=4>"
    more = r"\*rest=\(1, 2\), password=\*\*\*, \*\*more=\{'z': 4\}"
    called = rf"busy \d shop:price\(cart={cart}, code='Y', {more}\)"
    assert any(re.fullmatch(called, line) for line in shown), out
    assert any(re.fullmatch(rf"busy \d shop:price --> 11{ELAPSED}", line) for line in shown), out
    assert any(
        re.fullmatch(rf"busy \d shop:price raised ValueError\('bad'\){ELAPSED}", line) for line in shown
    ), out
    row = next(row for row in reply.data["rows"] if row["event"] == "return")
    assert (row["function"], row["value"], row["arguments"], row["task"]) == ("shop:price", "11", None, "")
    assert 0 < row["elapsed"] < 30
    assert shop.unharmed()


def test_coroutines_generators_and_methods_are_traced_where_they_run(shop: Shop) -> None:
    peer = shop.peer
    shown = lines(peer.evaluate("trace('shop:fetch', 100)")[1])
    tasks = rf"MainThread/client (\d) shop:fetch(\(n=\1\)| --> \1{ELAPSED}| raised KeyError\(3\){ELAPSED})"
    assert [line for line in shown if not re.fullmatch(tasks, line)] == []
    assert any("raised" in line for line in shown)
    shown = lines(peer.evaluate("trace('shop:stream', 30, where='n == 2')")[1])
    assert {re.sub(ELAPSED, "", line) for line in shown} == {
        "MainThread/client 2 shop:stream(n=2)",
        "MainThread/client 2 shop:stream --> None",
    }
    shown = lines(peer.evaluate("trace('shop:Cart', 60, stack=1)")[1])
    assert {"make(n", "__init__(self", "total(self"} <= {
        line.split("shop:Cart.")[1].split("=")[0] for line in shown if "shop:Cart." in line
    }
    assert any(re.fullmatch(r"    from once shop\.py:\d+", line) for line in shown), shown
    shown = lines(peer.evaluate("trace(shop.numbers, 4, where='n == 3', returns=False)")[1])
    assert {re.sub(r"busy \d ", "", line) for line in shown} == {"shop:numbers(n=3)"}
    assert shop.unharmed()


EARLY = """
import sys, threading
hits = sys.modules['_limpet_stage1.hits']
real = hits.backend()
class Early:
    def __getattr__(self, name):
        return getattr(real, name)
    def arm(self, probe, sites):
        real.arm(probe, sites)
        thread = threading.Thread(target=shop.outer, args=(77,))
        thread.start()
        thread.join()
hits.backend = Early
"""


def test_nothing_counts_before_all_functions_are_traced(shop: Shop) -> None:
    """The one that is traced first, if it is called often, would take the whole limit."""
    shop.peer.evaluate("trace('shop:price', 1)")
    shop.peer.evaluate(EARLY)
    reply, out, _ = shop.peer.evaluate("trace('shop:outer', 1, 0.2, where='n == 77')")
    assert (reply.ok, out) == (True, "")
    assert shop.unharmed()


def test_a_condition_that_raises_is_told_and_never_reaches_the_application(shop: Shop) -> None:
    for source, raised in {
        "cart.nowhere": "AttributeError",
        "sys.exit()": "SystemExit",
        "1 / 0": "ZeroDivisionError",
        "[].append(undefined)": "NameError",
    }.items():
        reply, out, notice = shop.peer.evaluate(f"trace('shop:price', seconds=0.2, where={source!r})")
        assert (reply.ok, out) == (True, "")
        assert f"(the condition raises {raised}" in notice
        assert re.search(rf"the condition raised [\d,]+ times, first {raised}", reply.value or "")
    assert shop.unharmed()


def test_what_is_no_python_function_is_refused_with_the_reason(shop: Shop) -> None:
    only = "only functions that are written in Python can be traced"
    for source, wanted in {
        "trace('time:sleep')": f"TypeError: time:sleep is a builtin function or method: {only}",
        "trace('shop:errors')": f"TypeError: shop:errors is a list: {only}",
        "trace('shop:prize')": "LookupError: shop has no 'prize'; did you mean price?",
        "trace('shop:Cart.totl')": "LookupError: shop:Cart has no 'totl'; did you mean total?",
        "trace('shp:price')": "LookupError: this process has loaded no module 'shp'; did you mean shop?",
        "trace('shop.Cart.total')": "no module 'shop.Cart.total'; did you mean shop:Cart.total?",
        "trace('asyncio.basevents')": "no module 'asyncio.basevents'; did you mean asyncio.base_events?",
        "trace('shop')": "LookupError: 'shop' names no function: say shop:function, or shop:*",
        "trace('shop:price', 0)": "ValueError: the limit is 1 to 10,000, not 0",
        "trace('shop:price', where='a b')": "SyntaxError: invalid syntax",
        "trace('shop:price', where='await x')": "SyntaxError: 'await' outside",
        "trace('shop:price', where='(yield)')": "SyntaxError: a condition neither awaits nor yields",
        "await shop.asyncio.sleep(0); trace('shop:price')": "RuntimeError: it waits, and would hold",
    }.items():
        error = shop.peer.evaluate(source)[0].error or ""
        assert wanted in error, error
    assert shop.peer.value(f"{UNTOUCHED}\nuntouched()") == "[]"
    assert shop.unharmed()


def test_a_rate_above_the_limit_ends_it(shop: Shop) -> None:
    reply, out, _ = shop.peer.evaluate("trace('shop:price', (5, 60))")
    assert len(lines(out)) == 5
    assert (reply.value or "").endswith(": the rate limit is tripped")
    assert shop.unharmed()


def test_a_condition_that_takes_too_much_of_the_applications_time_is_taken_off(shop: Shop) -> None:
    where = "__import__('time').sleep(0.01)"
    reply, out, _ = shop.peer.evaluate(f"trace('shop:price', where={where!r}, seconds=900)")
    assert (reply.value or "").endswith(": the condition took more than 25% of the application's time")
    assert shop.peer.value(f"{UNTOUCHED}\nuntouched()") == "[]"
    assert (out, shop.unharmed()) == ("", True)


def test_an_interruption_ends_the_wait_at_once_and_leaves_nothing(shop: Shop) -> None:
    peer = shop.peer
    peer.evaluate(UNTOUCHED)
    for _ in range(10):
        request = peer.send(
            "evaluate", session="s1", source="trace('shop:price', where='False', seconds=900)", timeout=5
        )
        assert peer.answer(request).item == "lasts"  # the daemon waits as long, too
        assert "tracing" in peer.answer(request).text
        peer.ask("interrupt", target=request)
        found = peer.reply(request)[0]
        assert (found.interrupted, found.abandoned) == (True, None)
        assert found.ok, found.error
        assert re.fullmatch(r"lines: 0 in \S+: interrupted", found.value or "")
        assert peer.value("untouched()") == "[]"
    assert shop.unharmed()


def test_what_was_traced_until_the_interruption_is_its_value(shop: Shop) -> None:
    peer = shop.peer
    request = peer.send("evaluate", session="s1", source="trace('shop:price', 400, seconds=900)", timeout=5)
    assert peer.answer(request).item == "lasts"
    assert "tracing" in peer.answer(request).text
    assert "shop:price" in peer.answer(request).text
    peer.ask("interrupt", target=request)
    found = peer.reply(request)[0]
    assert found.ok, found.error
    rows = found.data["rows"]
    assert rows[0]["function"] == "shop:price"
    assert peer.value("_.kind, len(_)") == f"('trace', {len(rows)})"
    assert shop.unharmed()


def test_two_consoles_trace_the_same_function_and_neither_ends_the_others(shop: Shop) -> None:
    peer = shop.peer
    peer.evaluate(UNTOUCHED, "a")
    long = peer.send("evaluate", session="a", source="trace('shop:price', 400)", timeout=None)
    short = peer.send(
        "evaluate", session="b", source="trace('shop:price', 3, where='cart.n == 1')", timeout=None
    )
    for request, limit in ((short, 3), (long, 400)):
        reply, out, _ = peer.reply(request)
        assert reply.ok, reply.error
        assert len(lines(out)) == limit
    assert peer.value("untouched()", "a") == "[]"
    assert shop.unharmed()


def test_a_lost_daemon_takes_it_off(node: Daemon, shop: Shop) -> None:
    source = "trace('shop:price', where='False', seconds=900)"
    request = shop.peer.send("evaluate", session="s1", source=source, timeout=None)
    assert "tracing" in shop.peer.answer(request).text
    node.vanish()
    node.listen()
    again = node.accept().load()
    again.evaluate(UNTOUCHED)
    until(lambda: again.value("untouched()") == "[]", "the end of the trace")
    assert shop.unharmed()


def test_the_child_of_a_fork_is_not_traced(node: Daemon) -> None:
    child = node.code(f"""
import os, sys
class shop:
    def fetch(): pass
{UNTOUCHED}
print("up", flush=True)
for line in sys.stdin:
    if os.fork() == 0:
        shop.fetch()
        print("untouched", untouched() == [], flush=True)
        os._exit(0)
    os.wait()
""")
    peer = node.accept().load()
    assert child.hear() == "up"
    request = peer.send(
        "evaluate", session="s1", source="trace('__main__:shop.fetch', seconds=900)", timeout=None
    )
    assert "tracing" in peer.answer(request).text
    child.say("fork")
    assert child.hear() == "untouched True"
    peer.ask("interrupt", target=request)
    assert peer.reply(request)[0].interrupted
    assert child.finish()[:2] == (0, "")


def test_what_a_signal_raises_while_a_condition_runs_is_the_applications(node: Daemon) -> None:
    child = node.code("""
import signal, sys
class Late(Exception): pass
def late(*_): raise Late
signal.signal(signal.SIGUSR1, late)
def work(n): return n
def forever():
    while True: work(1)
print("up", flush=True)
sys.stdin.readline()
try:
    forever()
except Late:
    print("late", flush=True)
""")
    peer = node.accept().load()
    assert child.hear() == "up"
    where = "__import__('time').sleep(0.05) or seen.append(1)"
    peer.evaluate("import __main__; __main__.seen = seen = []")
    request = peer.send(
        "evaluate", session="s1", source=f"trace('__main__:work', where={where!r})", timeout=None
    )
    assert "tracing" in peer.answer(request).text
    child.say("go")
    until(lambda: peer.value("len(seen) > 1", "s1") == "True", "the condition")
    child.process.send_signal(signal.SIGUSR1)
    assert child.hear() == "late"
    assert child.finish()[0] == 0


SETTING = """
import sys, time
package = sys.modules["_limpet_stage1"]
backend = package.load("probes").backend()
real, done = backend.arm, []
def arm(probe, sites):
    print("setting", flush=True)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    real(probe, sites)
    done.append(1)
backend.arm = arm
"""


def test_an_interruption_waits_until_a_probe_is_set_and_then_it_is_taken_off(shop: Shop) -> None:
    """Half of it could not be taken off: locks, and a tool's id, would be held for ever."""
    peer = shop.peer
    assert peer.evaluate(f"{UNTOUCHED}\n{SETTING}")[0].ok
    request = peer.send("evaluate", session="s1", source="trace('shop:price')", timeout=None)
    assert peer.answer(request).text == "setting\n"
    peer.ask("interrupt", target=request)
    assert peer.reply(request)[0].interrupted
    assert peer.value("done") == "[1]"
    peer.evaluate("del backend.arm")
    assert peer.evaluate("trace('shop:price', 1)")[0].ok
