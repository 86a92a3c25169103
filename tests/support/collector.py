"""An OTLP endpoint of our own: takes pushes of metrics, and reads them with OpenTelemetry's own messages."""

import contextlib
import gzip
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)


class Said(NamedTuple):
    """What the endpoint answers."""

    status: int = 200
    body: bytes = ExportMetricsServiceResponse().SerializeToString()
    headers: tuple[tuple[str, str], ...] = ()


class Pushed(NamedTuple):
    """A push as it came."""

    path: str
    headers: dict[str, str]
    request: Any

    @property
    def resource(self) -> dict[str, str]:
        """The resource's attributes."""
        (resource,) = self.request.resource_metrics
        return {each.key: each.value.string_value for each in resource.resource.attributes}

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by name."""
        (resource,) = self.request.resource_metrics
        return {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}

    def points(self, name: str) -> dict[frozenset[tuple[str, str]], Any]:
        """The data points of a metric that have a value, by their attributes."""
        if name not in self.metrics:
            return {}
        metric = self.metrics[name]
        points = getattr(metric, metric.WhichOneof("data")).data_points
        return {labels(point): point for point in points if not point.flags}

    def value(self, name: str, /, **attributes: str) -> float | None:
        """The number that a metric has with just these attributes."""
        point = self.points(name).get(frozenset(attributes.items()))
        return None if point is None else getattr(point, point.WhichOneof("value"))


def labels(point: Any) -> frozenset[tuple[str, str]]:
    """A data point's attributes."""
    return frozenset((each.key, each.value.string_value) for each in point.attributes)


def read(body: bytes) -> Any:
    """A request, as OpenTelemetry reads it."""
    request = ExportMetricsServiceRequest()
    request.ParseFromString(body)
    return request


class Collector:
    """The endpoint.

    Attributes:
        answer: what to answer; may wait as long as it likes, and return None for nothing at all.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.pushes: list[Pushed] = []
        self.answer: Callable[[], Said | None] = Said
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.pushes.append(Pushed(self.path, headers, read(body)))
                said = collector.answer()
                if said is None:
                    return
                self.send_response(said.status)
                for name, value in said.headers:
                    self.send_header(name, value)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that is gone is what some tests want."""

        self.server = Server(("127.0.0.1", port), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def last(self) -> Pushed:
        """The last push."""
        return self.pushes[-1]

    def close(self) -> None:
        """Takes no more."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@contextlib.contextmanager
def collector(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Collector]:
    """One that runs."""
    made = Collector(tls, port)
    try:
        yield made
    finally:
        made.close()


def certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A file with a certificate of 127.0.0.1, signed by itself, and a server's context that has it."""
    import subprocess

    cert, key = directory / "cert.pem", directory / "key.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key)]
    subprocess.run(["openssl", *words, "-out", str(cert)], check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context
