"""The observer on a real terminal, watching a real node."""

from collections.abc import Iterator

import pytest

from support.node import PYTHON, Node, running
from support.terminal import Terminal

APP = """
import asyncio

async def waits():
    await asyncio.sleep(1000)

async def main():
    print("INFO it runs", flush=True)
    await asyncio.gather(asyncio.create_task(waits(), name="the-request"))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    toml = f"""
[processes.web]
command = ["{PYTHON}", "app.py"]
ready = {{ log = "it runs" }}
[processes.sleeper]
command = ["sleep", "1000"]
"""
    with running(toml, files={"app.py": APP}) as made:
        yield made


def observer(node: Node, *options: str, columns: int = 100, lines: int = 40) -> Terminal:
    arguments = [PYTHON, "-m", "limpet_shell", "observer", "--node", "node", "--interval", "500ms", *options]
    return Terminal(
        arguments,
        {**node.environ, "LANG": "C.UTF-8"},
        columns=columns,
        lines=lines,
        cwd=str(node.directory),
    )


def test_every_page_is_reached_by_its_number_and_q_leaves(node: Node) -> None:
    with observer(node) as terminal:
        terminal.wait_for("memory of the host")
        terminal.send("2")
        terminal.wait_for("● sleeper.1")
        terminal.send("3")
        terminal.wait_for("the-request")
        terminal.send("5")
        terminal.wait_for("INFO it runs")
        terminal.send("6")
        terminal.wait_for("node_ready")
        terminal.send("7")
        terminal.wait_for("descriptors")
        terminal.send("8")
        terminal.wait_for("limpet_node_ready")
        terminal.send("9")
        terminal.wait_for("sleep is no Python")
        terminal.send("q")
        assert terminal.wait() == 0


def test_a_process_is_opened_restarted_after_a_yes_and_left(node: Node) -> None:
    before = node.status()["sleeper.1"].pid
    with observer(node, "--page", "proc", "--allow-destructive") as terminal:
        terminal.wait_for("● sleeper.1")
        terminal.send("/sleeper\r")
        terminal.wait_until_gone("web.1")
        terminal.send("\r")
        terminal.wait_for("sleep 1000")
        terminal.send("R")
        terminal.wait_for(f"Restart sleeper.1 (pid {before})?")
        terminal.send("y")
        terminal.wait_for("sleeper.1 is restarted")
        terminal.wait_until_gone(f"pid {before}")
        terminal.send("\x03")
        assert terminal.wait() == 0
    assert node.status()["sleeper.1"].pid != before


def test_it_says_when_the_node_goes_and_when_it_is_back() -> None:
    with (
        running('[processes.a]\ncommand = ["sleep", "1000"]\n') as made,
        observer(made, columns=80, lines=24) as terminal,
    ):
        terminal.wait_for(f"pid {made.pid}")
        made.stop()
        terminal.wait_for("trying again")
        made.start().wait_ready()
        terminal.wait_for(f"pid {made.pid}")
        terminal.wait_until_gone("trying again")
        terminal.send("q")
        assert terminal.wait() == 0


def test_without_a_terminal_it_says_what_to_use(node: Node) -> None:
    done = node.limpet("observer")
    assert done.returncode == 2
    assert "The observer is for a terminal" in done.stderr


def test_it_is_a_command_of_the_console_and_comes_back_to_it(node: Node) -> None:
    arguments = [PYTHON, "-m", "limpet_shell", "remote", "--node", "node"]
    environ = {**node.environ, "LANG": "C.UTF-8", "HOME": str(node.directory)}
    with Terminal(arguments, environ, cwd=str(node.directory)) as terminal:
        terminal.wait_for("web.1 [1]>")
        terminal.send(":observer proc\r")
        terminal.wait_for("● sleeper.1")
        terminal.wait_until_gone("web.1 [1]>")
        terminal.send("q")
        terminal.wait_for("web.1 [1]>")
        terminal.send("6 * 7\r")
        terminal.wait_for("42")
        terminal.send("\x04")
        assert terminal.wait() == 0


def test_the_mouse_chooses_a_page_and_a_process(node: Node) -> None:
    def click(column: int, line: int) -> str:
        return f"\x1b[<0;{column};{line}M\x1b[<0;{column};{line}m"

    with observer(node) as terminal:
        terminal.wait_for("memory of the host")
        terminal.send(click(16, 2))
        terminal.wait_for("● sleeper.1")
        terminal.send(click(1, 4))
        terminal.wait_for("NAME▲")
        terminal.send(click(5, 5) * 2)
        terminal.wait_for("Environ")
        terminal.wait_for("sleep 1000")
        terminal.send("q")
        assert terminal.wait() == 0


def test_told_to_end_it_gives_the_terminal_back(node: Node) -> None:
    with observer(node) as terminal:
        terminal.wait_for("memory of the host")
        terminal.terminate()
        assert terminal.wait() == 0
        assert b"\x1b[?1049l" in terminal.raw, "the main screen is there again"
        assert terminal.echoes


def test_another_size_of_the_terminal_is_drawn_at_once(node: Node) -> None:
    with observer(node, columns=80, lines=24) as terminal:
        terminal.wait_for("memory of the host")
        terminal.send("2")
        terminal.wait_for("LAG")
        assert "LAST MINUTE" not in terminal.text
        terminal.resize(160, 50)
        terminal.wait_for("LAST MINUTE")
        terminal.send("q")
        assert terminal.wait() == 0
