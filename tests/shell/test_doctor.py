"""What `doctor` finds on this machine, and on worse ones."""

import json
import os
import resource

import pytest

from limpet_shell import machine
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
