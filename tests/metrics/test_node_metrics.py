"""Metrics of a real node: scraped while all goes well, and while it does not."""

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from limpet_supervisor.wire import messages as m
from support.node import BOUND, PYTHON, Node, running

APP = """
import os, sys, time
from limpet import telemetry

number = int(os.environ["LIMPET_INSTANCE"])
telemetry.metrics([
    telemetry.counter("shop.orders.count", tags=["kind"], limit=20_000),
    telemetry.last_value("shop.queue.length"),
    telemetry.distribution("shop.orders.duration", unit="seconds", buckets=[0.1, 1]),
])
forked = len(sys.argv) > 1 and not os.fork()
for _ in range(10 * number):
    telemetry.execute(("shop", "orders"), {"duration": 0.5}, {"kind": "fork" if forked else "book"})
telemetry.execute(("shop", "queue"), {"length": number})
if os.path.exists("many"):
    for k in range(10_000):
        telemetry.execute(("shop", "orders"), {"duration": 0.01}, {"kind": f"kind {k}"})
while True:
    time.sleep(0.05)
    if os.path.exists(f"more.{number}") and not forked:
        os.unlink(f"more.{number}")
        telemetry.execute(("shop", "orders"), {"duration": 0.5}, {"kind": "book"})
"""
WEB = f"""
[health]
bind = "unix:${{RELEASE_TMP}}/health.sock"
[processes.web]
command = ["{PYTHON}", "app.py"]
instances = 2
shutdown = "brutal_kill"
max_memory = "1GiB"
[processes.sh]
command = ["sleep", "1000"]
"""
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(made: Node) -> Samples:
    """All samples of a scrape over HTTP, as the official parser reads them."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND)
        client.connect(str(made.directory / "run" / "health.sock"))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = b""
        while data := client.recv(1 << 20):
            said += data
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.split()[1] == b"200", said
    assert b"application/openmetrics-text; version=1.0.0" in head
    return parsed(body.decode())


def parsed(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, /, **labels: str) -> float | None:
    """One sample's value."""
    return samples.get((name, frozenset(labels.items())))


def names(samples: Samples, name: str, label: str = "process") -> set[str]:
    """The values of a label of a family's samples."""
    return {dict(labels).get(label, "") for found, labels in samples if found == name}


@pytest.fixture
def shop() -> Iterator[Node]:
    with running(WEB, files={"app.py": APP}) as made:
        made.wait_for(lambda: "health and metrics are served" in made.output)
        # Both have told what they measure, and feel.
        made.wait_for(lambda: of(scraped(made), "shop_orders_count_total", process="web", kind="book") == 30)
        made.wait_for(lambda: len(names(scraped(made), "limpet_process_gc_pause_max_seconds")) == 2)
        yield made


def test_the_node_its_processes_and_the_application_are_in_one_scrape(shop: Node) -> None:
    found = scraped(shop)
    assert of(found, "limpet_node_ready") == 1
    assert of(found, "limpet_node_info", name="node", version="1.0.0", limpet="0.1.0") == 1
    assert of(found, "limpet_processes", state="running") == 3
    for process in ("web.1", "web.2", "sh.1"):
        assert of(found, "limpet_process_up", process=process) == 1
        assert of(found, "limpet_process_starts_total", process=process) == 1
        for figure in ("resident_memory_bytes", "open_fds", "max_fds", "threads", "start_time_seconds"):
            assert of(found, f"limpet_process_{figure}", process=process), figure
        assert of(found, "limpet_process_cpu_seconds_total", process=process) is not None
    assert names(found, "limpet_process_gil_wait_max_seconds") == {"web.1", "web.2"}
    assert names(found, "limpet_agent_answer_seconds") == {"web.1", "web.2"}
    assert of(found, "limpet_health_check", check="web", process="web") == 1
    assert of(found, "limpet_control_requests_total") is not None
    # The application's: counters and histograms together, gauges each.
    assert of(found, "shop_orders_count_total", process="web", kind="book") == 30
    assert of(found, "shop_orders_duration_seconds_bucket", process="web", le="1.0") == 30
    assert of(found, "shop_orders_duration_seconds_bucket", process="web", le="0.1") == 0
    assert of(found, "shop_queue_length", process="web.1") == 1
    assert of(found, "shop_queue_length", process="web.2") == 2
    done = shop.limpet("metrics")
    assert (done.returncode, done.stderr) == (0, "")
    assert {name for name, _ in parsed(done.stdout)} == {name for name, _ in scraped(shop)}


def test_a_counter_goes_on_over_a_crash_and_what_a_dead_process_alone_had_is_gone(shop: Node) -> None:
    pid = shop.wait_pid("web.2")
    os.kill(pid, signal.SIGKILL)
    shop.wait_event("ready", "web.2", count=2)
    shop.wait_for(lambda: of(scraped(shop), "shop_orders_count_total", process="web", kind="book") == 50)
    found = scraped(shop)
    assert of(found, "limpet_process_restarts_total", process="web.2") == 1
    assert of(found, "limpet_process_ends_total", process="web.2", cause="signal") == 1
    assert of(found, "shop_orders_duration_seconds_count", process="web") == 50
    shop.request(m.Scale(name="web", to="1"))
    found = scraped(shop)
    assert names(found, "shop_queue_length") == {"web.1"}
    assert names(found, "limpet_process_restarts_total") == {"web.1", "sh.1"}
    assert of(found, "shop_orders_count_total", process="web", kind="book") == 50


def test_scrapes_during_restarts_are_whole_and_no_counter_goes_down(shop: Node) -> None:
    failures: list[str] = []
    over = threading.Event()

    def scrape() -> None:
        before: dict[object, float] = {}
        while not over.is_set():
            try:
                found = scraped(shop)
            except (AssertionError, ValueError, OSError) as error:
                failures.append(repr(error))
                return
            now = {key: value for key, value in found.items() if key[0].startswith("shop_orders")}
            failures.extend(str(key) for key, value in before.items() if now.get(key, 0) < value)
            before = {**before, **now}

    threads = [threading.Thread(target=scrape) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        shop.request(m.RestartProcess(name="web"))
    over.set()
    for thread in threads:
        thread.join(BOUND)
    assert failures == []


def test_an_agent_that_does_not_answer_is_left_out_counted_and_holds_up_nobody(shop: Node) -> None:
    pid = shop.wait_pid("web.2")
    os.kill(pid, signal.SIGSTOP)
    try:
        answers: list[Samples] = []
        scrape = threading.Thread(target=lambda: answers.append(scraped(shop)))
        scrape.start()
        while scrape.is_alive():
            shop.status("web.1")
        (found,) = answers
        assert of(found, "limpet_scrape_late_agents_total") == 1
        assert names(found, "limpet_agent_answer_seconds") == {"web.1"}
        assert names(found, "shop_queue_length") == {"web.1"}
        assert of(found, "shop_orders_count_total", process="web", kind="book") == 30, "as it was last told"
    finally:
        os.kill(pid, signal.SIGCONT)
    shop.wait_for(lambda: names(scraped(shop), "shop_queue_length") == {"web.1", "web.2"})


def test_forks_count_with_their_process() -> None:
    toml = WEB.replace('"app.py"', '"app.py", "fork"').replace("instances = 2", "instances = 1")
    with running(toml, files={"app.py": APP}) as made:
        made.wait_for(lambda: "health and metrics are served" in made.output)

        def orders(kind: str) -> float | None:
            return of(scraped(made), "shop_orders_count_total", process="web", kind=kind)

        made.wait_for(lambda: orders("fork") == orders("book") == 10)
        found = scraped(made)
        (fork,) = names(found, "shop_queue_length") - {"web.1"}
        os.kill(int(fork.partition("/")[2]), signal.SIGKILL)
        made.wait_for(lambda: names(scraped(made), "shop_queue_length") == {"web.1"})
        assert orders("fork") == 10


def test_ten_thousand_label_sets_are_scraped_and_the_node_answers_meanwhile() -> None:
    toml = WEB.replace("instances = 2", "instances = 1")
    with running(toml, files={"app.py": APP, "many": ""}) as made:
        made.wait_for(lambda: "health and metrics are served" in made.output)

        def complete() -> bool:
            found = scraped(made)
            made.status()
            return len(names(found, "shop_orders_count_total", "kind")) == 10_001

        made.wait_for(complete)
        assert of(scraped(made), "shop_orders_count_total", process="web", kind="kind 9999") == 1
