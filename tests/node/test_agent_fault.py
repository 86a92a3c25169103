"""A part of the agent that fails in a process: its node says so, and nobody loses the process."""

from support.node import PYTHON, Node, running

TOML = f'[processes.web]\ncommand = ["{PYTHON}", "-c", "import time; time.sleep(900)"]\nshutdown = "1s"\n'
BREAK = "import sys; vars(sys.modules['_limpet_stage1.services'].service('levels'))['tick'] = None"


def evaluated(made: Node, source: str) -> str:
    """What `rpc` prints."""
    done = made.limpet("rpc", "--process", "web", source)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_part_of_the_agent_that_fails_is_an_event_and_the_rest_goes_on() -> None:
    with running(TOML) as made:
        for _ in range(2):  # begun anew by the second, it fails again: it is told once
            evaluated(made, BREAK)
            failed = made.wait_event("agent_failed", "web.1")
        assert failed.text.startswith("web.1: the agent's levels have failed and are left out: TypeError: ")
        assert evaluated(made, "6 * 7") == "42\n"
        assert made.limpet("events").stdout.count("agent_failed") == 1
