"""Where code goes when no process is named."""

from limpet_supervisor.wire import messages
from support.node import BOUND, Node, node

TASK_AND_WEB = """
[processes.migrate]
command = ["python3", "-c", "print('migrates', flush=True); input()"]
restart = "transient"
ready = "completed"

[processes.web]
command = ["python3", "-c", "import time; time.sleep(1000)"]
after = ["migrate"]
"""


def has_written(made: Node, process: str) -> None:
    """Waits for the first line of a process: by then its agent is there."""
    with made.client() as client:
        stream = client.stream(messages.Logs(names=(process,), follow=True), timeout=BOUND)
        assert any(isinstance(answer, messages.LogItem) for answer in stream)
        stream.close()


def test_a_task_is_not_the_process_that_code_goes_to_by_itself() -> None:
    """A console that opens while a migration runs would lose its process at once."""
    with node(TASK_AND_WEB.replace("input()", "import time; time.sleep(1000)")) as made:
        has_written(made.start(), "migrate")
        named = made.limpet("rpc", "--process", "migrate", "1 + 1")
        assert (named.returncode, named.stdout) == (0, "2\n")
        unnamed = made.limpet("rpc", "1 + 1")
        assert (unnamed.returncode, unnamed.stdout) == (1, "")
        assert "No process has an agent" in unnamed.stderr


def test_it_is_the_first_that_stays() -> None:
    with node(TASK_AND_WEB.replace("; input()", "")) as made:
        made.start().wait_ready()
        where = made.limpet("rpc", "__import__('os').environ['LIMPET_PROCESS']")
        assert (where.returncode, where.stdout) == (0, "'web.1'\n")
