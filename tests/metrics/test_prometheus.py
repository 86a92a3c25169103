"""A real Prometheus scrapes a real node; its own tools check the rules, and each query of the dashboard."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.node import BOUND, PYTHON, running, select_for

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="needs Prometheus (apt install prometheus)",
)
APP = """
import asyncio
from limpet import health, telemetry

telemetry.metrics([telemetry.counter("shop.orders.count")])
health.check("database")(lambda: None)

async def main():
    while True:
        telemetry.execute(("shop", "orders"), {}, {})
        await asyncio.sleep(0.05)

asyncio.run(main())
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Prometheus:
    """The server, and what it is asked."""

    def __init__(self, directory: Path, target: int) -> None:
        self.port = free_port()
        self.directory = directory
        scrape = {"job_name": "limpet", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DOCS / "alerts.yml")],
            "scrape_configs": [scrape],
        }
        (directory / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        options = {
            "config.file": "prometheus.yml",
            "storage.tsdb.path": "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
            "log.level": "warn",
        }
        with (directory / "err").open("wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", *(f"--{name}={value}" for name, value in options.items())],
                cwd=directory,
                stdout=log,
                stderr=log,
            )

    def ask(self, path: str, **parameters: str) -> Any:
        """What its API answers."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=BOUND) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        """The first value of a query; None if it has none, or the server is not up yet."""
        try:
            found = self.ask("query", query=query)["result"]
        except OSError:
            return None
        return float(found[0]["value"][1]) if found else None

    def until(self, query: str, value: float) -> None:
        """Waits until a query has that value."""
        deadline = time.monotonic() + BOUND
        while self.value(query) != value:
            assert time.monotonic() < deadline, (query, (self.directory / "err").read_text())
            select_for(0.1)

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait(BOUND)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has scraped a node."""
    port = free_port()
    toml = f'[health]\nbind = "127.0.0.1:{port}"\n[processes.web]\ncommand = ["{PYTHON}", "app.py"]\n'
    with running(toml, files={"app.py": APP}):
        made = Prometheus(tmp_path_factory.mktemp("prometheus"), port)
        try:
            made.until('up{job="limpet"}', 1)
            made.until('limpet_health_check{check="database",process="web.1"}', 1)
            yield made
        finally:
            made.close()


def test_what_it_has_scraped_is_what_the_node_measures(prometheus: Prometheus) -> None:
    prometheus.until("limpet_node_ready", 1)
    prometheus.until('limpet_processes{state="running"}', 1)
    prometheus.until('sum(shop_orders_count_total{process="web"} > bool 0)', 1)
    found = prometheus.ask("metadata", metric="limpet_process_loop_lag_seconds")
    (about,) = found["limpet_process_loop_lag_seconds"]
    assert (about["type"], about["unit"]) == ("histogram", "seconds")


def test_no_rule_fails_and_none_fires_where_all_is_well(prometheus: Prometheus) -> None:
    (group,) = prometheus.ask("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert [rule["name"] for rule in group["rules"] if rule["state"] == "firing"] == []


def test_each_query_of_the_dashboard_is_one(prometheus: Prometheus) -> None:
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    asked = 0
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            prometheus.ask("query", query=query.replace("$process", ""))
            asked += 1
    assert asked >= len(dashboard["panels"]) > 10


def test_dashboard_and_rules_name_no_metric_that_there_is_not(prometheus: Prometheus) -> None:
    known = set(prometheus.ask("label/__name__/values"))
    # Of what has not happened here there are no samples.
    known |= {"limpet_process_ends_total", "limpet_health_warning"}
    for name in ("grafana.json", "alerts.yml"):
        used = set(re.findall(r"\blimpet_[a-z_]+\b", (DOCS / name).read_text()))
        assert used - known == set(), name


RULES_TEST = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'limpet_process_wanted{{process="web.1"}}'
        values: '1x10'
      - series: 'limpet_process_up{{process="web.1"}}'
        values: '1 0x9'
      - series: 'limpet_process_restarts_total{{process="web.1"}}'
        values: '0 2 4 6 8 8x5'
      - series: 'limpet_process_loop_blocked_seconds{{process="web.1"}}'
        values: '0 0 3 0x7'
    alert_rule_test:
      - eval_time: 3m
        alertname: LimpetProcessDown
        exp_alerts:
          - exp_labels: {{process: web.1, severity: critical}}
            exp_annotations: {{summary: ': web.1 shall run and does not', todo: bin/NAME why web.1}}
      - eval_time: 0m
        alertname: LimpetProcessDown
        exp_alerts: []
      - eval_time: 4m
        alertname: LimpetRestarts
        exp_alerts:
          - exp_labels: {{process: web.1, severity: critical}}
            exp_annotations: {{summary: ': web.1 is restarted again and again', todo: bin/NAME why web.1}}
      - eval_time: 3m
        alertname: LimpetLoopBlocked
        exp_alerts: []
"""


def test_rules_fire_when_they_shall(tmp_path: Path) -> None:
    rules = DOCS / "alerts.yml"
    (tmp_path / "test.yml").write_text(RULES_TEST.format(rules=rules))
    for words in (["check", "rules", str(rules)], ["test", "rules", "test.yml"]):
        done = subprocess.run(
            ["promtool", *words], cwd=tmp_path, capture_output=True, check=False, text=True, timeout=BOUND
        )
        assert done.returncode == 0, done.stdout + done.stderr
