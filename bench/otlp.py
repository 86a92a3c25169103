"""What OTLP pushes cost the node, and what OpenTelemetry's own messages would cost in their place.

    .venv/bin/python bench/otlp.py [SECONDS]

The encoder: 10,000 counters and 1,000 histograms of two labels, against opentelemetry-proto's messages, each
in an interpreter of its own. The node: memory and CPU with nothing served, with health, with a push each half
second; then how long a status takes while an application with 10,000 series is pushed without a pause.
"""

import http.server
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("tests", "supervisor")]

from limpet_supervisor.runtime import procfs  # noqa: E402 - found by the path above
from limpet_supervisor.wire import messages as m  # noqa: E402 - as well
from support.node import PYTHON, running  # noqa: E402 - as well

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
HEAD = """
import sys, time
sys.path.insert(0, {path!r})
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before, began = rss(), time.perf_counter()
"""
OURS = """
from limpet_supervisor.runtime.openmetrics import Family, Histogram
from limpet_supervisor.runtime.otlp import Encoder, Scope
print(f"import {1e3 * (time.perf_counter() - began):.0f} ms, {rss() - before:.1f} MB;", end=" ")
labels = ("process", "kind")
families = [
    Family("a", "counter", "", labels, [(("web", f"kind {k}"), k) for k in range(10_000)]),
    Family("b", "histogram", "", labels, [
        (("web", f"kind {k}"), Histogram((0.1, 1.0, 2.0, 5.0), (1, 2, 3, 4, 5), 3.3)) for k in range(1_000)
    ]),
]
encoder = Encoder({"service.name": "shop"}, 1)
def make(now):
    return encoder.encode([Scope("limpet", "1", families)], now)
"""
THEIRS = """
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, NumberDataPoint
print(f"import {1e3 * (time.perf_counter() - began):.0f} ms, {rss() - before:.1f} MB;", end=" ")
def pairs(k):
    return [
        KeyValue(key="process", value=AnyValue(string_value="web")),
        KeyValue(key="kind", value=AnyValue(string_value=f"kind {k}")),
    ]
def make(now):
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    points = scope.metrics.add(name="a").sum.data_points
    for k in range(10_000):
        points.append(NumberDataPoint(
            attributes=pairs(k), start_time_unix_nano=1, time_unix_nano=now, as_int=k
        ))
    points = scope.metrics.add(name="b").histogram.data_points
    for k in range(1_000):
        points.append(HistogramDataPoint(
            attributes=pairs(k), start_time_unix_nano=1, time_unix_nano=now, count=15, sum=3.3,
            bucket_counts=[1, 2, 3, 4, 5], explicit_bounds=[0.1, 1, 2, 5],
        ))
    return request.SerializeToString()
"""
TAIL = """
took = []
for now in range(2, 9):
    began = time.perf_counter()
    size = len(make(now))
    took.append(time.perf_counter() - began)
print(f"a request of {size:,} bytes in {1e3 * sorted(took)[3]:.0f} ms")
"""
APP = """
import sys, time
from limpet import telemetry
telemetry.metrics([telemetry.counter("shop.orders.count", tags=["kind"], limit=20_000)])
for k in range(int(sys.argv[1])):
    telemetry.execute(("shop", "orders"), {}, {"kind": f"kind {k}"})
time.sleep(1000)
"""


class Sink(http.server.BaseHTTPRequestHandler):
    pushes = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Sink.pushes += 1
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def encoders() -> None:
    for name, code in (("ours", OURS), ("opentelemetry-proto", THEIRS)):
        text = HEAD.format(path=str(ROOT / "supervisor")) + code + TAIL
        print(f"{name}: {subprocess.check_output([sys.executable, '-c', text], text=True).strip()}")


def node(name: str, head: str, series: int = 1) -> None:
    toml = f'{head}[processes.web]\ncommand = ["{PYTHON}", "app.py", "{series}"]\n'
    with running(toml, files={"app.py": APP}) as made, made.client() as client:
        time.sleep(4)
        facts, pushes = procfs.stat(made.pid), Sink.pushes
        took = []
        until = time.monotonic() + SECONDS
        while series > 1 and time.monotonic() < until:
            began = time.perf_counter()
            client.request(m.Status())
            took.append(time.perf_counter() - began)
        time.sleep(max(0.0, until - time.monotonic()))
        after = procfs.stat(made.pid)
        cpu = (after.ticks - facts.ticks) * 1000 / procfs.TICKS_PER_SECOND
        text = f"{name}: {after.rss / 1e6:.1f} MB, {cpu:.0f} ms of CPU, {Sink.pushes - pushes} pushes"
        if took:
            took.sort()
            p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
            text += f"; {len(took)} statuses, p50 {1e3 * p50:.2f} ms, p99 {1e3 * p99:.1f}"
        print(text)


if __name__ == "__main__":
    encoders()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    push = f'[otlp]\nendpoint = "http://127.0.0.1:{server.server_address[1]}"\ninterval = "%s"\n'
    node("off", "")
    node("health", '[health]\nbind = "unix:${RELEASE_TMP}/h"\n')
    node("a push each 500 ms", push % "500ms")
    node("10,000 series, off", "", 10_000)
    node("10,000 series, pushed without a pause", push % "1ms", 10_000)
    server.shutdown()
