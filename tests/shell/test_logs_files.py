"""logs of a node that is down: its files, wherever they are, whatever their format, merged as if it ran."""

import gzip
import json

from limpet_shell.logfiles import log_files, read
from support.node import node, running

TOML = """
[processes.web]
command = ["true"]
instances = 2
log = {{ file = "{elsewhere}/web.log", format = "json" }}
[processes.worker]
command = ["true"]
log = {{ format = "prefix" }}
"""


def test_files_of_the_configuration_are_read_by_their_format_and_merged(tmp_path):
    with node(TOML.format(elsewhere=tmp_path)) as made:
        logs = made.directory / "run" / "node" / "log"
        logs.mkdir(parents=True)
        (tmp_path / "web.log").write_text(
            '{"time":"2026-11-23T06:00:01.000Z","process":"web.1","line":"one"}\n'
            '{"time":"2026-11-23T06:00:03.000Z","process":"web.2","line":"Traceback (most recent call last):'
            '\\n  File x\\nValueError: no\\n"}\n'
        )
        (logs / "worker.1.log").write_text(
            "2026-11-23T06:00:02.000Z worker.1 two\n"
            "2026-11-23T06:00:04.000Z worker.1 ERROR four\n\tand more\n"
        )
        (logs / "worker.1.log.1.gz").write_bytes(gzip.compress(b"2026-11-23T06:00:00.000Z worker.1 zero\n"))
        (logs / "old.1.log").write_text("2026-11-23 05:00:00+00:00 raw\n")
        shown = made.limpet("logs").stdout.splitlines()
        assert shown == [
            "old.1 | 2026-11-23 05:00:00+00:00 raw",
            "worker.1 | zero",
            "web.1 | one",
            "worker.1 | two",
            "web.2 | Traceback (most recent call last):",
            "web.2 |   File x",
            "web.2 | ValueError: no",
            "worker.1 | ERROR four",
            "worker.1 | and more",
        ]
        errors = made.limpet("logs", "--level", "error", "--since", "2026-11-23T06:00:00Z", "--json").stdout
        found = [json.loads(line) for line in errors.splitlines()]
        assert [(each["process"], each["level"]) for each in found] == [
            ("web.2", "error"),
            ("worker.1", "error"),
        ]
        assert found[0]["line"].count("\n") == 2
        assert made.limpet("logs", "worker", "-n", "0").stdout == ""


TRACEBACKS = r"""
for k in 1 2 3; do
  echo before $k
  printf 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: %s\n' $k
done
exec sleep 1000
"""


def test_the_last_entries_are_whole_tracebacks_of_a_node_that_runs_and_of_its_files():
    toml = '[processes.web]\ncommand = ["sh", "app.sh"]\nready = { log = "ValueError: 3" }\n'
    with running(toml, files={"app.sh": TRACEBACKS}) as made:
        shown = made.limpet("logs", "-n", "2", "--json").stdout
        assert [json.loads(line)["line"].splitlines()[-1] for line in shown.splitlines()] == [
            "before 3",
            "ValueError: 3",
        ]
        (last,) = made.limpet("logs", "-n", "1", "--json").stdout.splitlines()
        assert json.loads(last)["line"].startswith("Traceback (most recent call last):\n")
        made.stop()
        of_files = made.limpet("logs", "-n", "2", "--json").stdout
        assert [json.loads(line)["line"] for line in of_files.splitlines()] == [
            json.loads(line)["line"] for line in shown.splitlines()
        ]


def test_a_log_that_is_not_there_has_no_entries(tmp_path, monkeypatch):
    monkeypatch.setenv("RELEASE_TMP", str(tmp_path))
    logs = tmp_path / "shop" / "log"
    logs.mkdir(parents=True)
    (logs / "web.1.log").write_bytes(b"\xff\n")
    (found,) = log_files("shop", ("web",))
    assert [entry.text for entry in read(found, 5)] == ["\ufffd"]
    assert log_files("shop", ("nobody",)) == []
