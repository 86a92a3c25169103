"""What `doctor` finds on this machine, and on worse ones."""

import json
import os
import resource
from pathlib import Path

import pytest

from limpet_shell import machine
from limpet_supervisor.runtime import pyspy
from support.command import shop


def test_a_machine_that_can_run_a_node_is_fine() -> None:
    with shop() as place:
        text = place.run("doctor")
        facts = json.loads(place.run("doctor", "--json").stdout)
    assert text.returncode == 0
    assert {finding["name"] for finding in facts["findings"]} >= {"python", "kernel", "pidfd", "/proc"}
    assert all(finding["verdict"] in {"ok", "warning"} for finding in facts["findings"])


def test_a_kernel_without_pidfds_is_missing_something(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refused)
    found = {finding.name: finding for finding in machine.examine()}
    assert found["pidfd"].verdict == "missing"
    assert "Function not implemented" in found["pidfd"].text


def test_few_open_files_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    found = {finding.name: finding for finding in machine.examine()}
    assert found["open files"].verdict == "warning"


def test_a_run_directory_that_cannot_be_made_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_TMP", "/proc/nowhere")
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).startswith("/proc"))
    found = {finding.name: finding for finding in machine.examine()}
    assert found["run directory"].verdict == "warning"
    assert "/proc may not be written" in found["run directory"].text


def test_a_process_that_is_stuck_can_be_looked_at() -> None:
    found = {finding.name: finding for finding in machine.examine()}
    assert found["py-spy"].verdict == "ok", found["py-spy"].text


def test_where_nothing_may_be_traced_it_is_said_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refused = tmp_path / "py-spy"
    refused.write_text("#!/bin/sh\necho 'Error: Permission denied (os error 13)' >&2\nexit 1\n")
    refused.chmod(0o755)
    monkeypatch.setattr(pyspy, "find", lambda: str(refused))
    found = {finding.name: finding for finding in machine.examine()}
    assert found["py-spy"].verdict == "warning"
    assert "CAP_SYS_PTRACE" in found["py-spy"].text


def test_without_py_spy_it_is_said_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspy, "find", lambda: None)
    found = {finding.name: finding for finding in machine.examine()}
    assert found["py-spy"].verdict == "warning"
    assert "is not here" in found["py-spy"].text
