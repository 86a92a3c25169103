"""No look runs code of the application's, whatever that has put in the way; none leaves anything behind."""

from typing import Any

import pytest

from support.agent import Child, Daemon, Peer

TRAPS = '''
import _thread, asyncio, concurrent.futures, functools, os, sys, threading, types, weakref
CALLS = []
OURS = set()
def caught(what):
    """Remembers a call that none of the application's own threads has made."""
    if _thread.get_ident() not in OURS:
        CALLS.append(what)
OURS.add(_thread.get_ident())

def trap(name, result=None):
    def trapped(self, *arguments, **named):
        caught(f"{name}")
        if isinstance(result, BaseException):
            raise result
        return result
    return trapped

class Meta(type):
    __eq__ = trap("metaclass __eq__", RuntimeError())
    __hash__ = trap("metaclass __hash__", 7)
    __getattribute__ = lambda cls, name: (caught(f"metaclass {name}"), type.__getattribute__(cls, name))[1]
    __instancecheck__ = trap("metaclass __instancecheck__", True)
    __subclasscheck__ = trap("metaclass __subclasscheck__", True)
    __subclasses__ = trap("metaclass __subclasses__", [])
    __repr__ = trap("metaclass __repr__", 5)
    __call__ = lambda cls, *a: (caught("metaclass __call__"), type.__call__(cls, *a))[1]
    __module__ = property(trap("metaclass __module__", 5))
    __qualname__ = "Meta"

NAMES = ("__getattr__ __repr__ __str__ __eq__ __hash__ __len__ __bool__ __iter__ __dir__ __call__ __format__ "
         "__sizeof__ __next__ __contains__ __getitem__ __lt__ __index__ __fspath__ __reduce__").split()

class Trap(metaclass=Meta):
    locals().update({name: trap(name, RuntimeError(name)) for name in NAMES})
    __class__ = property(trap("__class__", int))
    __dict__ = property(trap("__dict__", {}))
    name = _name = ident = native_id = daemon = property(trap("property", 5))
    def __getattribute__(self, name):
        caught(f"getattr {name}")
        return object.__getattribute__(self, name)
    def run(self):
        OURS.add(_thread.get_ident())
        self_ = self
        started.release()
        forever.acquire()
    def method(self, *arguments):
        pass

class Slots(metaclass=Meta):
    __slots__ = ("one", "two", "__weakref__")
    __getattribute__ = Trap.__getattribute__

class Text(str):
    locals().update({name: trap(f"str {name}", RuntimeError(name)) for name in NAMES if name != "__hash__"})
    __hash__ = str.__hash__
    __str__ = lambda self: (caught("str __str__"), self)[1]

class Mapping(dict):
    locals().update({name: trap(f"dict {name}", RuntimeError(name)) for name in NAMES})
    items = keys = values = get = trap("dict items", RuntimeError())

def through(base, *names):
    """Methods that tell of the call, and do what those of the base do: asyncio itself calls them."""
    def one(name):
        own = getattr(base, name)
        def called(self, *arguments, **named):
            caught(f"{base.__name__}.{name}")
            return own(self, *arguments, **named)
        return called
    return {name: one(name) for name in names}

class Task(asyncio.Task):
    locals().update(through(asyncio.Task, "get_name", "get_coro", "get_loop", "get_stack", "done",
                            "cancelling", "add_done_callback", "__repr__", "__eq__", "__hash__"))
    _state = _callbacks = _coro = _fut_waiter = _name = property(trap("task property", RuntimeError()))

class Future(asyncio.Future):
    locals().update(through(asyncio.Future, "done", "get_loop", "__repr__", "__eq__", "__hash__"))
    _children = _state = _callbacks = property(trap("future property", RuntimeError()))

class Executor(concurrent.futures.ThreadPoolExecutor):
    __repr__ = __len__ = trap("executor", RuntimeError())
    _max_workers = property(trap("executor", 1), lambda self, value: None)

class Loop(asyncio.SelectorEventLoop):
    locals().update(through(asyncio.SelectorEventLoop, "is_running", "time", "get_debug",
                            "__repr__", "__hash__"))

class Module(types.ModuleType):
    __getattribute__ = Trap.__getattribute__
    __getattr__ = __repr__ = __dir__ = trap("module", RuntimeError())

class Thread(threading.Thread):
    name = native_id = daemon = ident = property(trap("thread property", 5), lambda self, value: None)
    __repr__ = trap("thread", RuntimeError())
    def run(self):
        OURS.add(_thread.get_ident())
        here = self
        started.release()
        forever.acquire()

class Awaitable:
    def __await__(self):
        return Iterator()
class Iterator(Trap):
    def __iter__(self): return self
    def __next__(self): return pending.__await__().__next__()
    def send(self, value): return self.__next__()

started = threading.Semaphore(0)
forever = threading.Lock()
forever.acquire()
snare = Trap()
slots = Slots()
Slots.one.__set__(slots, snare)
object.__setattr__(snare, "password", snare)
mapping = Mapping(snare=snare)
proxy = weakref.proxy(snare)
lazy = types.ModuleType("lazy")
lazy.__getattr__ = trap("lazy module")
sys.modules["lazy"] = lazy
sys.modules["snare"] = snare
sys.modules["module"] = Module("module")
sys.modules[Text("text")] = lazy

def wrapped(a, b=snare): pass
wrapped.__wrapped__ = snare
def signed(a): pass
signed.__signature__ = signed.__text_signature__ = snare
def annotated(a: snare, b: list[snare], c: Text("c") = 1) -> snare: pass
class Descriptor:
    __get__ = trap("descriptor")
    __call__ = trap("descriptor")
class Described:
    __call__ = __wrapped__ = __signature__ = __doc__ = __init__ = there = Descriptor()
described = object.__new__(Described)
class InLazy: pass
InLazy.__module__ = "module"
partial = functools.partial(wrapped, snare)
method = snare.method
keyed = {Text("key"): snare, (slots, 1): 2, "plain": snare}
def called(one, two): return one

async def waits(future, *held):
    local, text, key = snare, Text("x"), {Text("k"): snare}
    both = [snare, mapping, {"k": snare}, slots, proxy]
    def inside(): return snare, both
    await future
async def opaque():
    await Awaitable()

async def main():
    global pending
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro, **options: Task(coro, loop=loop, **options))
    loop.set_default_executor(Executor(1))
    future = Future()
    pending = Future()
    tasks = [loop.create_task(waits(future, snare)), loop.create_task(opaque())]
    tasks.append(loop.create_task(waits(asyncio.gather(tasks[0]))))
    tasks[0].set_name(Text("trapped"))
    for callback in (snare, functools.partial(snare, snare), snare.method, lambda task: snare):
        future.add_done_callback(callback)
        tasks[0].add_done_callback(callback)
        loop.call_later(1000, callback, snare)
    while any(asyncio.Task.__dict__["_fut_waiter"].__get__(task) is None for task in tasks[::2]):
        await asyncio.sleep(0)
    thread = Thread()
    thread._daemonic = True
    thread.start()
    _thread.start_new_thread(snare.run, ())
    started.acquire()
    started.acquire()
    CALLS.clear()
    print("up", flush=True)
    sys.stdin.readline()
    print(sorted(set(CALLS)), flush=True)
    os._exit(0)

loop = Loop()
loop.run_until_complete(main())
'''

LOOKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tasks", {}),
    ("tasks", {"filter": "trap"}),
    *(("tasks", {"by": by}) for by in ("coroutine", "at", "state", "loop", "task")),
    ("task", {"which": "trapped"}),
    *((name, {}) for name in ("timers", "loop", "threads", "stacks", "greenlets", "gc_stats")),
    ("mem", {"arenas": True}),
    ("types", {"n": 10_000}),
    *(("instances", {"cls": f"__main__.{cls}"}) for cls in ("Trap", "Slots", "Mapping", "Task", "Text")),
    *((name, {}) for name in ("fds", "sockets", "environ", "modules")),
    ("modules", {"filter": "a"}),
    ("runtime_info", {}),
    ("runtime_info", {"topic": "applications"}),
)
TOOLS = (
    *("refs(__main__.snare)", "refs(__main__.slots)", "refs(__main__.Trap)", "refs(__main__.mapping)"),
    "growth(0.05)",
)


def test_no_look_calls_anything_of_the_application_s(node: Daemon) -> None:
    child = node.code(TRAPS)
    peer = node.accept().load()
    assert child.hear() == "up"
    for what, arguments in LOOKS:
        found = peer.ask("inspect", what=what, arguments=arguments)
        assert found.ok, (what, arguments, found.error)
    peer.evaluate("import __main__")
    for source in TOOLS:
        found = peer.evaluate(source)[0]
        assert found.ok, (source, found.error)
    child.say("")
    assert child.hear() == "[]"


ASKED = (
    *("snare", "slots", "mapping", "proxy", "lazy", "pending", "loop", "keyed", "partial", "method"),
    *("Trap", "Slots", "Text", "Meta", "Described", "InLazy", "described", "wrapped", "signed", "annotated"),
)
ENDS = ("", ".", "(", "['", ".there", ".__call__(")
TYPED = ("import l", "from module import ", "from lazy import ", "import module.", "module.", "lazy.x(")


def test_nothing_that_is_typed_or_asked_about_is_called(node: Daemon) -> None:
    """Completion and hints while one types, `h`, `i`, `src`, and whatever a trace looks through."""
    child = node.code(TRAPS)
    peer = node.accept().load()
    assert child.hear() == "up"
    peer.evaluate("import __main__, sys; module = sys.modules['module']; lazy = sys.modules['lazy']")
    for name in ASKED:
        for source in [f"{look}(__main__.{name})" for look in ("h", "i", "src")]:
            found = peer.evaluate(source)[0]
            assert found.ok, (source, found.error)
    for source in (*(f"__main__.{name}{end}" for name in ASKED for end in ENDS), *TYPED):
        assert peer.ask("complete", session="s1", source=source).re == "completions", source
        for it in (False, True):
            assert peer.ask("signature", session="s1", source=source, name=it).re == "signature", source
    for what in (*(f"__main__.{name}" for name in ASKED), "'__main__:Trap.not_there'", "'__main__:*'"):
        peer.evaluate(f"trace({what}, seconds=0.01)")
    refused = peer.evaluate("trace('snare:*')")[0].error or ""
    assert "what is loaded as 'snare' is no module: it is a Trap" in refused
    child.say("")
    assert child.hear() == "[]"


def test_the_traps_of_the_test_above_catch(node: Daemon) -> None:
    """Else it would prove nothing."""
    child = node.code(TRAPS)
    peer = node.accept().load()
    assert child.hear() == "up"
    peer.evaluate(
        "import __main__; isinstance(__main__.snare, str); {__main__.Trap: 1}; repr(__main__.mapping)"
    )
    child.say("")
    caught = child.hear()
    for name in ("getattr __class__", "metaclass __hash__", "dict __repr__"):
        assert name in caught


def test_the_traps_are_seen_for_what_they_are(node: Daemon) -> None:
    child = node.code(TRAPS)
    peer = node.accept().load()
    assert child.hear() == "up"

    def rows(what: str, **arguments: Any) -> list[dict[str, Any]]:
        return list(peer.ask("inspect", what=what, arguments=arguments).data["rows"])

    (task,) = rows("task", which="trapped")
    variables = task["chain"][0]["variables"]
    assert variables["local"].startswith("<__main__.Trap at 0x")
    assert variables["text"] == "<__main__.Text at 0x" + variables["text"][20:]
    assert {row["type"] for row in rows("types", n=10_000)} >= {"__main__.Trap", "__main__.Slots"}
    (slots,) = rows("instances", cls="__main__.Slots")
    assert slots["value"].startswith("Slots(one=<__main__.Trap at 0x")


KEEPS = """
import asyncio, sys
class Kept: pass
async def holds(event):
    one = Kept()
    await event.wait()
    one = None
    await event.wait()
async def shows(event):
    one = Kept()
    shown = locals()
    shown["one"] = None
    await event.wait()
    print(sorted(shown), flush=True)
async def main():
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    tasks = [loop.create_task(holds(event), name="holds"), loop.create_task(shows(event), name="shows")]
    while any(task._fut_waiter is None for task in tasks):
        await asyncio.sleep(0)
    print("up", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    event.set()
    event.clear()
    while not tasks[1].done():
        await asyncio.sleep(0)
    import gc
    gc.collect()  # what shows() shows contains itself
    print(sum(type(one) is Kept for one in gc.get_objects()), flush=True)
    tasks[0].cancel()
asyncio.run(main())
"""


def test_a_variable_lives_no_longer_for_having_been_looked_at(node: Daemon) -> None:
    """Before Python 3.13 a frame keeps what it was asked for; what locals() gave the application stays."""
    child = node.code(KEEPS)
    peer = node.accept().load()
    assert child.hear() == "up"
    for name in ("holds", "shows"):
        (task,) = peer.ask("inspect", what="task", arguments={"which": name}).data["rows"]
        assert task["chain"][0]["variables"]["one"].startswith("<__main__.Kept at")
    assert peer.ask("inspect", what="stacks", arguments={}).ok
    child.say("")
    assert child.hear().startswith("['event', 'one'")
    assert child.hear() == "0"
    assert child.finish() == (0, "", "")


TRACED = """
import asyncio, sys
made = []
def factory(loop, coroutine, **options):
    made.append(coroutine.__qualname__)
    return asyncio.Task(coroutine, loop=loop, **options)
async def child():
    await asyncio.sleep(1000)
async def parent():
    async with asyncio.TaskGroup() as group:
        group.create_task(child(), name="child")
async def at_once():
    return 1
async def main():
    loop = asyncio.get_running_loop()
    if sys.argv[1] == "own":
        loop.set_task_factory(factory)
    eager = sys.argv[1] == "eager" and hasattr(asyncio, "eager_task_factory")  # 3.12
    if eager:
        loop.set_task_factory(asyncio.eager_task_factory)
    first = loop.get_task_factory()
    for line in ("before", "while", "after"):
        print(line, flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        task = loop.create_task(parent(), name=f"parent {line}")
        quick = asyncio.create_task(at_once())
        assert quick.done() == eager
        assert await quick == 1
        while task._fut_waiter is None or not any(t.get_name() == "child" for t in asyncio.all_tasks()):
            await asyncio.sleep(0)
    print(loop.get_task_factory() is first, len(made), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
asyncio.run(main())
"""


def traced(node: Daemon, kind: str) -> tuple[Any, Peer]:
    node.directory.joinpath("traced.py").write_text(TRACED)
    child = node.start("traced.py", kind)
    peer = node.accept().load()
    assert child.hear() == "before"
    return child, peer


@pytest.mark.parametrize("kind", ["none", "own", "eager"])
def test_creations_are_recorded_by_request_and_the_loop_has_its_own_factory_again(
    node: Daemon, kind: str
) -> None:
    child, peer = traced(node, kind)
    assert "recorded on 1 loop" in peer.value("trace_tasks()")
    assert "recorded on 1 loop" in peer.value("trace_tasks()", session="s2")
    child.say("")
    assert child.hear() == "while"
    (found,) = peer.evaluate("task('child')")[0].data["rows"]
    assert found["created_by"] == "parent before"
    assert found["created"][-1]["function"] == "parent"
    assert found["age"] > 0
    assert peer.ask("detach", session="s1").re == "done"
    child.say("")
    assert child.hear() == "after"
    ages = [row["age"] for row in peer.evaluate("task('child')", session="s2")[0].data["rows"]]
    assert len(ages) == 2
    assert None not in ages
    assert "not recorded any more" in peer.value("trace_tasks(False)", session="s2")
    child.say("")
    assert child.hear() == f"True {9 if kind == 'own' else 0}"
    assert child.finish(b"\n")[0] == 0


def test_creations_are_not_recorded_for_a_console_that_is_gone(node: Daemon) -> None:
    child, peer = traced(node, "none")
    assert "recorded" in peer.value("trace_tasks()")
    node.vanish()
    node.listen()
    node.accept().load()
    child.say("")
    for line in ("while", "after", "True 0"):
        assert child.hear() == line
        child.say("")


def test_only_a_console_can_have_creations_recorded(idle: tuple[Child, Peer]) -> None:
    _child, peer = idle
    refused = peer.evaluate("trace_tasks()", session="")[0]
    assert "trace_tasks() is for a console" in (refused.error or "")
