"""An application under load, for the tools that look into what it does."""

from support.agent import Daemon, Peer

SHOP = '''
import asyncio, contextlib, functools, sys, threading

def logged(function):
    @functools.wraps(function)
    def wrapper(*arguments, **options):
        return function(*arguments, **options)
    return wrapper

class Asked(Exception):
    """Somebody has asked an object to describe itself."""

class Cart:
    rate = 2
    def __init__(self, n):
        self.n = n
    def __repr__(self):
        errors.append("repr")
        raise Asked
    @property
    def total(self):
        return self.n * self.rate
    @staticmethod
    def make(n):
        return Cart(n)

@logged
def price(cart, code="X", *rest, password="", **more):
    if code == "bad":
        raise ValueError(code)
    total = cart.total
    for each in rest:
        total += each
    return total

def numbers(n):
    for k in range(n):
        yield k

async def fetch(n):
    await asyncio.sleep(0)
    if n == 3:
        raise KeyError(n)
    return n

async def stream(n):
    for k in range(n):
        await asyncio.sleep(0)
        yield k

def outer(n):
    def inner(k):
        return k + n
    return inner(1)

errors = []
rounds = []
stopped = threading.Event()

def once(n):
    assert price(Cart.make(n), "Y", 1, 2, password="s3cret", z=n) == 2 * n + 3
    with contextlib.suppress(ValueError):
        price(Cart(n), "bad")
    assert sum(numbers(n)) == n * (n - 1) // 2
    assert outer(n) == n + 1

async def awaited(n):
    try:
        assert await fetch(n) == n != 3
    except KeyError:
        assert n == 3
    assert [k async for k in stream(n)] == list(range(n))

def busy():
    n = 0
    while not stopped.is_set():
        n = (n + 1) % 5
        try:
            once(n)
        except BaseException as error:
            errors.append(error)
        rounds.append(1)

async def main():
    async def client(n):
        while not stopped.is_set():
            try:
                await awaited(n)
            except BaseException as error:
                errors.append(error)
    clients = [asyncio.create_task(client(n), name=f"client {n}") for n in range(5)]
    threads = [threading.Thread(target=busy, name=f"busy {n}") for n in range(2)]
    for thread in threads:
        thread.start()
    print("up", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    stopped.set()
    await asyncio.gather(*clients)
    for thread in threads:
        thread.join()
    print("errors", [repr(error) for error in errors], flush=True)
'''
"""Two threads and five tasks that call all of it without an end; `errors` has what went wrong."""

RUN = "import shop\nshop.asyncio.run(shop.main())\n"


class Shop:
    """The application, with stage 1 in it."""

    def __init__(self, node: Daemon) -> None:
        (node.directory / "shop.py").write_text(SHOP)
        self.child = node.code(RUN)
        self.peer: Peer = node.accept().load()
        assert self.child.hear() == "up"

    def unharmed(self) -> bool:
        """Ends it; whether it has met no error and printed nothing but its own."""
        return self.child.finish(b"\n") == (0, "errors []\n", "")


UNTOUCHED = """
import sys
def untouched():
    import gc, types
    injected = [f for f in gc.get_objects() if type(f) is types.FunctionType
                and any(type(c) is types.MethodType for c in f.__code__.co_consts)]
    tools = []
    if sys.version_info >= (3, 12):
        tools = [tool for tool in (3, 4) if sys.monitoring.get_tool(tool)]
        tools += [sys.monitoring.get_local_events(tool, shop.fetch.__code__) for tool in tools]
    return injected + tools
"""
"""Defines `untouched()`: an empty list if nothing of ours is in any function or in sys.monitoring."""
