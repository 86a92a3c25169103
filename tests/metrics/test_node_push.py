"""A real node pushes to a real endpoint, which takes what comes, or does not."""

import email.utils
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)

from limpet_supervisor.wire import messages as m
from support.collector import Collector, Said, certificate, collector, labels
from support.node import BOUND, PYTHON, Node, node, running

APP = """
import os, signal, sys, time
from limpet import telemetry

signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit(0)))  # as who ends what has been begun
telemetry.metrics([
    telemetry.counter("shop.orders.count", tags=["kind"]),
    telemetry.last_value("shop.queue.length"),
    telemetry.distribution("shop.orders.duration", unit="seconds", buckets=[0.1, 1]),
])
for _ in range(10):
    telemetry.execute(("shop", "orders"), {"duration": 0.5}, {"kind": "book"})
telemetry.execute(("shop", "queue"), {"length": 7})
while True:
    time.sleep(0.05)
    if os.path.exists("more"):
        os.unlink("more")
        telemetry.execute(("shop", "orders"), {"duration": 0.5}, {"kind": "book"})
        print("counted", flush=True)
"""
SH = '[processes.sh]\ncommand = ["sleep", "1000"]\n'
WEB = f'[processes.web]\ncommand = ["{PYTHON}", "app.py"]\ninstances = 2\n'


def otlp(endpoint: str, **keys: str) -> str:
    """The table; pushes come quickly."""
    keys = {"interval": "50ms", "timeout": "5s", **keys}
    said = {"endpoint": endpoint, **keys}
    return "[otlp]\n" + "".join(f'{name} = "{each}"\n' for name, each in said.items())


@contextmanager
def pushing(
    to: Collector, more: str = "", *, processes: str = SH, files: dict[str, str] | None = None
) -> Iterator[Node]:
    """A node that pushes there."""
    with running(otlp(to.url) + more + processes, files=files) as made:
        yield made


def remarks(made: Node) -> tuple[str, ...]:
    """What its status says of itself."""
    reply: m.StatusReply = made.request(m.Status())
    return reply.node.remarks


def kinds(made: Node) -> list[str]:
    """The events of pushes."""
    with made.client() as client:
        items = list(client.stream(m.Events(last=1000), timeout=BOUND))
    found = [item.event.kind for item in items if isinstance(item, m.EventItem)]
    return [kind for kind in found if kind.startswith("push_")]


def test_every_figure_of_the_node_its_processes_and_the_application_is_pushed() -> None:
    headers = '[otlp.headers]\nx-tenant = "shop 1"\n[otlp.resource]\n"deployment.environment.name" = "test"\n'
    with collector() as there:
        before = time.time_ns()
        with pushing(there, headers, processes=WEB + SH, files={"app.py": APP}) as made:
            made.wait_for(
                lambda: (
                    bool(there.pushes)
                    and there.last.value("shop_orders_count", process="web", kind="book") == 20
                    and len(there.last.points("limpet_process_gc_pause_max_seconds")) == 2
                )
            )
            last = there.last
            text = made.limpet("metrics").stdout
        assert last.path == "/v1/metrics"
        assert last.headers["content-type"] == "application/x-protobuf"
        assert (last.headers["content-encoding"], last.headers["x-tenant"]) == ("gzip", "shop 1")
        resource = last.resource
        assert resource["service.name"] == "node"
        assert resource["service.version"] == "1.0.0"
        assert resource["host.name"] == socket.gethostname()
        assert resource["service.instance.id"]
        assert resource["deployment.environment.name"] == "test"
        assert last.value("limpet_node_ready") == 1
        assert last.value("limpet_process_up", process="web.2") == 1
        assert last.value("limpet_process_starts", process="sh.1") == 1
        assert last.value("shop_queue_length", process="web.1") == 7
        point = last.points("shop_orders_duration_seconds")[frozenset({("process", "web")})]
        assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 1.0], [0, 20, 0])
        assert before < point.start_time_unix_nano < point.time_unix_nano
        assert len({push.resource["service.instance.id"] for push in there.pushes}) == 1
        # The names are those of a scrape.
        families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        assert families - {name.removesuffix("_info") for name in last.metrics} == set()
        starts = [
            push.points("limpet_process_starts")[frozenset({("process", "sh.1")})].start_time_unix_nano
            for push in there.pushes
        ]
        assert len(set(starts)) == 1, "a start that moves is a reset"


def test_what_has_happened_until_the_end_is_in_the_last_push() -> None:
    web = WEB.replace("instances = 2", "instances = 1")
    with collector() as there:
        with running(otlp(there.url, interval="5m") + web, files={"app.py": APP}) as made:
            total = 'shop_orders_count_total{process="web",kind="book"}'
            made.wait_for(lambda: f"{total} 10" in made.limpet("metrics").stdout)
            (made.directory / "more").touch()
            made.wait_for(lambda: "counted" in made.output)
            assert made.stop() == 0
        assert there.last.value("limpet_process_up", process="web.1") == 0
        assert there.last.value("limpet_process_ends", process="web.1", cause="supervisor") == 1
        assert there.last.value("shop_orders_count", process="web", kind="book") == 11


def test_a_node_that_boots_again_is_the_same_and_counts_from_the_start() -> None:
    with collector() as there, pushing(there) as made:
        made.wait_for(lambda: bool(there.pushes))
        assert made.limpet("restart").returncode == 0
        before = len(there.pushes)
        made.wait_for(lambda: len(there.pushes) > before + 1)
        first, last = there.pushes[0], there.last
        assert first.resource == last.resource
        key = frozenset({("process", "sh.1")})
        starts = [each.points("limpet_process_starts")[key].start_time_unix_nano for each in (first, last)]
        assert starts[0] < starts[1]


def test_an_endpoint_that_takes_nothing_is_said_once_and_that_it_does_again_is_too() -> None:
    with collector() as there:
        port = there.port
    with running(otlp(f"http://127.0.0.1:{port}") + SH) as made:
        event = made.wait_event("push_failing")
        assert "Connection refused" in event.text
        assert f"http://127.0.0.1:{port}/v1/metrics" in event.text
        assert remarks(made) == (event.text,)
        with collector(port=port) as there:
            made.wait_event("push_recovered")
            assert remarks(made) == ()
            made.wait_for(lambda: len(there.pushes) > 1)
            assert there.last.value("limpet_otlp_pushes", outcome="ok") == len(there.pushes) - 1
            assert (there.last.value("limpet_otlp_pushes", outcome="unreachable") or 0) >= 1
            assert there.last.value("limpet_otlp_failing") == 0
            assert kinds(made) == ["push_failing", "push_recovered"]


PARTLY = ExportMetricsServiceResponse(
    partial_success=ExportMetricsPartialSuccess(rejected_data_points=3, error_message="too old")
)
LATER = email.utils.formatdate(time.time() + 600, usegmt=True)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(429, b"", (("retry-after", "600"),)), "it answers 429"),
        (Said(503, b"\x12\x08too much", (("retry-after", LATER),)), "it answers 503"),
        (Said(400, b"\x08\x03\x12\x07no such"), "it answers 400: no such"),
        (Said(307, b"", (("location", "http://127.0.0.1:9/b?token=x"),)), "and is at http://127.0.0.1:9/b:"),
        (Said(body=PARTLY.SerializeToString()), "3 data points are not taken: too old"),
    ],
    ids=["429", "503", "400", "redirect", "partial"],
)
def test_a_refusal_is_told_by_its_reason(said: Said, reason: str) -> None:
    with collector() as there:
        there.answer = lambda: said
        with pushing(there) as made:
            assert reason in made.wait_event("push_failing").text
            if said.headers and said.status != 307:
                # It has asked to be left alone for ten minutes, and is, but for the last push of all.
                assert len(there.pushes) == 1
                assert made.stop() == 0
                assert len(there.pushes) == 2
            if said.status == 200:
                made.wait_for(lambda: (there.last.value("limpet_otlp_rejected_points") or 0) >= 3)


def test_an_endpoint_that_never_answers_holds_up_neither_the_node_nor_its_end() -> None:
    over = threading.Event()

    def wait() -> None:
        over.wait(BOUND)

    with collector() as there:
        there.answer = wait
        try:
            with running(otlp(there.url, timeout="100ms") + SH) as made:
                made.wait_for(lambda: bool(there.pushes))
                made.request(m.RestartProcess(name="sh"))
                assert "has not answered within 0.1s" in made.wait_event("push_failing").text
                assert made.stop() == 0
        finally:
            over.set()


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, b""])
def test_what_is_no_http_is_a_failure_like_others(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.settimeout(BOUND)
                    try:
                        client.recv(1 << 16)
                        client.sendall(answer)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with running(otlp(f"http://127.0.0.1:{port}") + SH) as made:
                made.wait_event("push_failing")
                assert made.stop() == 0
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(BOUND)


def test_https_asks_for_a_certificate_that_can_be_trusted(tmp_path: Path) -> None:
    cert, context = certificate(tmp_path)
    with collector(context) as there:
        with running(otlp(there.url) + SH) as made:
            assert "CERTIFICATE_VERIFY_FAILED" in made.wait_event("push_failing").text
            assert there.pushes == []
        with running(otlp(there.url, certificate=str(cert)) + SH) as made:
            made.wait_for(lambda: bool(there.pushes))


def test_a_series_of_a_process_that_is_gone_is_told_to_be_gone() -> None:
    with collector() as there, pushing(there, processes=SH + "instances = 2\n") as made:
        key = frozenset({("process", "sh.2")})
        made.wait_for(lambda: bool(there.pushes) and key in there.last.points("limpet_process_up"))
        made.request(m.Scale(name="sh", to="1"))

        def told() -> bool:
            found = [push.metrics["limpet_process_up"].gauge.data_points for push in there.pushes]
            return any(point.flags and labels(point) == key for points in found for point in points)

        made.wait_for(told)
        assert key not in there.last.points("limpet_process_up")


# -- OpenTelemetry's variables -----------------------------------------------------------------------------


def test_opentelemetrys_variables_say_where_and_how() -> None:
    with collector() as there:
        environ = {
            "LIMPET_OTLP": "on",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{there.url}/base/",
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20hunter2,x-scope=1",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "50",
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "5000",
            "OTEL_SERVICE_NAME": "till",
            "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,team=b%C3%BCcher,service.instance.id=4",
        }
        app = "import os, time\nprint('environ', sorted(os.environ), flush=True)\ntime.sleep(1000)\n"
        processes = f'[processes.web]\ncommand = ["{PYTHON}", "app.py"]\n'
        with running(processes, environ=environ, files={"app.py": app}) as made:
            made.wait_for(lambda: len(there.pushes) > 1 and "environ" in made.output)
            assert there.last.path == "/base/v1/metrics"
            headers = there.last.headers
            assert (headers["authorization"], headers["x-scope"]) == ("Bearer hunter2", "1")
            assert "content-encoding" not in headers
            resource = there.last.resource
            assert (resource["service.name"], resource["team"]) == ("till", "bücher")
            assert resource["service.instance.id"] == "4"
            # The application has OpenTelemetry's, and not the node's own; who looks sees no secret.
            (line,) = [line for line in made.output.splitlines() if "environ [" in line]
            assert "OTEL_EXPORTER_OTLP_HEADERS" in line
            assert "LIMPET_OTLP" not in line
            reply = made.limpet("ctl", "environment", "web.1")
            assert "hunter2" not in reply.stdout + made.output


def test_an_endpoint_for_metrics_alone_is_taken_as_it_is() -> None:
    with collector() as there:
        environ = {
            "LIMPET_OTLP": "on",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{there.url}/here?x=1",
            "OTEL_METRIC_EXPORT_INTERVAL": "50",
        }
        with running(SH, environ=environ) as made:
            made.wait_for(lambda: bool(there.pushes))
            assert there.last.path == "/here?x=1"


@pytest.mark.parametrize("said", [None, "off"])
def test_opentelemetrys_variables_alone_are_the_applications(said: str | None) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **({"LIMPET_OTLP": said} if said else {})}
    with running((otlp("http://127.0.0.1:9") if said else "") + SH, environ=environ) as made:
        assert "limpet_otlp" not in made.limpet("metrics").stdout
        assert "pushed" not in made.output


def test_variables_that_cannot_be_used_are_told_and_the_node_runs_without() -> None:
    environ = {
        "LIMPET_OTLP": "on",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_HEADERS": "Bearer hunter2",
        "OTEL_METRIC_EXPORT_INTERVAL": "1m",
    }
    with node(SH, environ=environ) as made:
        done = made.limpet("check")
        assert done.returncode == 78
        for problem in ("PROTOCOL is grpc", "HEADERS: expected key=value", "INTERVAL: expected milliseconds"):
            assert problem in done.stderr
        assert "hunter2" not in done.stderr
        made.start().wait_ready()
        made.wait_for(lambda: "metrics are not pushed" in made.output)
        (remark,) = remarks(made)
        assert "PROTOCOL is grpc" in remark
        assert "hunter2" not in made.output + remark


def test_headers_are_shown_to_nobody() -> None:
    toml = otlp("http://user:hunter1@127.0.0.1:9") + '[otlp.headers]\nx-tenant = "hunter2"\n' + SH
    with running(toml) as made:
        made.wait_event("push_failing")
        shown = made.limpet("config").stdout
        assert "node.otlp.headers.x-tenant" in shown
        everything = shown + made.limpet("status", "--json").stdout + made.output
        assert "hunter" not in everything


def test_a_stop_does_not_wait_for_a_push_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with running(otlp(url, timeout="10m") + SH) as made:
            client, _ = listener.accept()
            with client:
                assert made.stop() == 0
