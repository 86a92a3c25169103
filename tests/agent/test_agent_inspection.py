"""h, i, src, tasks, threads, stacks, mem: what they say of a live process."""

from support.agent import Child, Daemon, Peer

Pair = tuple[Child, Peer]


def test_stacks_show_every_thread_and_every_task_with_what_it_awaits(node: Daemon) -> None:
    child = node.code("""
import asyncio, sys, threading
async def inner(event):
    await event.wait()
async def outer(event):
    await inner(event)
def sit(lock):
    lock.acquire()
async def main():
    lock = threading.Lock()
    lock.acquire()
    threading.Thread(target=sit, args=(lock,), name="sitter", daemon=True).start()
    event = asyncio.Event()
    task = asyncio.create_task(outer(event), name="waiter")
    gathered = asyncio.gather(task, asyncio.sleep(1000))
    boss = asyncio.create_task(wait_for(gathered), name="boss")
    await asyncio.sleep(0)
    print("up", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    boss.cancel()
async def wait_for(what):
    await what
asyncio.run(main())
""")
    peer = node.accept().load()
    assert child.hear() == "up"
    text = peer.ask("stacks").text
    assert "Thread MainThread (" in text
    assert "Thread sitter (" in text
    assert "in sit\n    lock.acquire()" in text
    assert "Task waiter of the loop in MainThread, awaited by boss:" in text
    assert "in outer\n    await inner(event)" in text
    assert "in inner\n    await event.wait()" in text
    assert "limpet agent" in text
    table = peer.value("tasks()")
    assert any(line.split()[:3] == ["waiter", "waiting", "outer"] for line in table.splitlines())
    assert "boss" in table
    assert child.finish(b"\n") == (0, "", "")


def test_threads_are_listed_with_name_and_place(looping: Pair) -> None:
    _child, peer = looping
    table = peer.value("threads()")
    assert table.splitlines()[0].split() == ["THREAD", "IDENT", "TID", "DAEMON", "CPU", "STATE", "AT"]
    assert any(line.startswith("MainThread") and str(_child.pid) in line for line in table.splitlines())
    assert any(line.startswith("limpet agent") for line in table.splitlines())
    assert any(line.startswith("limpet evaluation") for line in table.splitlines())


def test_the_main_thread_of_a_fork_has_the_forks_id_and_not_its_parents(node: Daemon) -> None:
    child = node.code("""
import os, sys, threading
threading.main_thread()
if pid := os.fork():
    print(pid, flush=True)
    os.wait()
else:
    sys.stdin.readline()
""")
    pid = int(child.hear())
    table = node.accept_pid(pid).load().value("threads()")
    ids = {line.split()[0]: line.split()[2] for line in table.splitlines()}
    assert ids["MainThread"] == str(pid)
    assert child.finish(b"\n") == (0, "", "")


def test_mem_reads_the_kernels_figures(idle: Pair) -> None:
    _child, peer = idle
    text = peer.value("mem()")
    for name in (
        "resident",
        "proportional",
        "unique",
        "swapped",
        "blocks of the interpreter's own allocator",
    ):
        assert name in text


def test_h_i_and_src_of_a_function_of_the_session(idle: Pair) -> None:
    _child, peer = idle
    source = "\ndef area(width: int, height: int = 2) -> int:\n    'The area.'\n    return width * height"
    peer.evaluate(source)
    assert peer.value("h(area)") == "area(width: int, height: int = 2) -> int\n\nThe area."
    at_hand = peer.value("h()").split()
    assert {"tasks", "runtime_info", "refs", "trace"} <= set(at_hand)
    assert "return width * height" in peer.value("src(area)")
    about = peer.value("i(area)")
    assert "<console s1 1>:2" in about
    assert "The area." in about
    assert "length      3" in peer.value("i([1, 2, 3])")
    assert "is not there" in peer.value("src(len)")


def test_a_look_at_a_hostile_object_runs_none_of_it(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("""
class Trap:
    @property
    def prop(self): raise SystemExit
    def __getattr__(self, name): raise RuntimeError(name)
    def __dir__(self): raise RuntimeError
    def __getattribute__(self, name): raise RuntimeError(name)
    def __repr__(self): raise RuntimeError
    def __len__(self): raise RuntimeError
    def __call__(self): raise RuntimeError
trap = Trap()
""")
    for look in ("i(trap)", "h(trap)", "src(trap)", "i(Trap)", "h(Trap)", "trap", "[trap]"):
        found = peer.evaluate(look)[0]
        assert found.ok, (look, found.error)
    assert "prop" in peer.value("i(trap)")


def test_a_look_at_what_wraps_itself_ends(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("def ring(a): pass\nring.__wrapped__ = ring")
    for look in ("i(ring)", "h(ring)", "src(ring)"):
        found = peer.evaluate(look, timeout=5)[0]
        assert found.ok, (look, found.error)


def test_the_names_are_there_and_may_be_taken(idle: Pair) -> None:
    _child, peer = idle
    assert peer.value("h = 5; h") == "5"
    assert peer.ask("detach", session="s1").re == "done"
    assert peer.value("callable(h) and all(map(callable, (i, src, tasks, threads, stacks, mem)))") == "True"
    assert peer.value("tasks()") == "no asyncio tasks"
