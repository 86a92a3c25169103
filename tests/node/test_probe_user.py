"""Checks that run a command."""

import os

import pytest

from support.node import running


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run processes as another user")
def test_an_exec_check_runs_as_the_user_of_its_process() -> None:
    with running(
        """
[processes.web]
command = ["sleep", "1000"]
user = "nobody"
ready = { exec = ["sh", "-c", 'test "$(id -un)" = nobody'], timeout = "10s" }
"""
    ) as made:
        assert made.status()["web.1"].ready
