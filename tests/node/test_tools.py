"""Tools that look into a live process, through a real node: by `ctl`, and off when their client is gone."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from limpet_supervisor.wire import messages as m
from support.node import BOUND, PYTHON, Node, running
from support.tracing import RUN, SHOP, UNTOUCHED

TOML = f"""
[processes.web]
command = [{json.dumps(PYTHON)}, "app.py"]
instances = 2
"""
NEW = SHOP.replace("        return self.n * self.rate", "        return self.rate * self.n")


@pytest.fixture
def shop() -> Iterator[Node]:
    app = RUN.replace("import shop", "import os, shop\nos.dup2(os.pipe()[0], 0)")
    with running(TOML, files={"shop.py": SHOP, "app.py": app}) as node:
        node.wait_for(lambda: all(each.agent == "ready" for each in node.status().values()))
        yield node


def evaluated(node: Node, source: str, process: str = "web.1") -> str:
    reply = node.request(m.Evaluate(source=source, process=process))
    assert reply.ok, f"{reply.error}\n{node.output}"
    return str(reply.value)


def test_a_console_that_is_killed_takes_its_trace_along(shop: Node) -> None:
    source = f"{UNTOUCHED}\nimport shop\nlen(untouched())"
    client = subprocess.Popen(
        [
            PYTHON,
            "-m",
            "limpet_shell",
            "ctl",
            "trace",
            "web.1",
            "shop:price",
            "where=cart.n > 99",
            "seconds=10m",
        ],
        cwd=shop.directory,
        env=shop.environ,
        stdout=subprocess.PIPE,
    )
    assert client.stdout is not None
    with client.stdout as stdout:
        assert stdout.readline() == b"(tracing shop:price: limit 10, 600s; Ctrl-C ends it)\n"
    assert evaluated(shop, source) != "0"
    client.kill()
    client.wait(BOUND)
    shop.wait_for(lambda: evaluated(shop, source) == "0")
    assert evaluated(shop, "import shop; shop.errors") == "[]"


def test_ctl_has_them_for_people_and_for_machines(shop: Node) -> None:
    shown = shop.limpet("ctl", "trace", "web.2", "shop:price", "limit=3", "where=cart.n == 4")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert "shop:price(cart=<shop.Cart n=4>, " in lines[1]
    assert (len(lines), lines[4].startswith("lines: 3 in ")) == (5, True)
    told = shop.limpet("ctl", "snapshot", "web.1", "shop:numbers", "limit=2", "--json")
    last = json.loads(told.stdout.splitlines()[-1])
    assert (last["process"], last["data"]["kind"], len(last["data"]["rows"])) == ("web.1", "snapshot", 2)
    refused = shop.limpet("ctl", "trace", "web", "shop:prize")
    assert refused.returncode == 1
    assert refused.stderr == "limpet: web.1 cannot tell. shop has no 'prize'; did you mean price?\n"


def test_a_patch_everywhere_is_checked_everywhere_before_it_is_made_anywhere(shop: Node) -> None:
    constants = "[c for c in shop.Cart.total.fget.__code__.co_names]"
    before = evaluated(shop, f"import shop; {constants}")
    (shop.directory / "shop.py").write_text(NEW)
    old = shop.directory / "before.py"
    old.write_text(SHOP)
    other = SHOP.replace("return k + n", "return n + k")
    evaluated(shop, f"patch('shop', source={other!r}, old={str(old)!r})", "web.2")
    failed = shop.limpet("ctl", "patch", "web", "shop", f"old={old}", "--all")
    assert failed.returncode == 1
    assert (
        "web.2 cannot tell. shop is not patched: its source has changed since it was loaded" in failed.stderr
    )
    assert evaluated(shop, f"import shop; {constants}") == before
    (shop.directory / "shop.py").write_text(SHOP)
    shop.request(m.RestartProcess(name="web.2"))
    shop.wait_for(lambda: shop.status()["web.2"].agent == "ready")
    evaluated(shop, "import shop", "web.2")
    (shop.directory / "shop.py").write_text(NEW)
    done = shop.limpet("ctl", "patch", "web", "shop", f"old={old}", "--all")
    assert done.returncode == 0, f"{done.stderr}\n{shop.output}"
    for name in ("web.1", "web.2"):
        assert f"{name}, checked:\n" in done.stdout
        assert f"{name}:\nFUNCTION" in done.stdout
        assert evaluated(shop, f"import shop; {constants}", name) == str(["rate", "n"])
        assert evaluated(shop, "shop.errors", name) == "[]"
