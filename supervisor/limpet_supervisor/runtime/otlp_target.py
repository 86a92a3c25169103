"""Where a node pushes its metrics to, and how: its configuration, then OpenTelemetry's own variables.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and .../configuration/sdk-environment-variables/
say which there are. They are the application's as well, so they alone do not make a node push.
"""

import base64
import os
import random
import re
import socket
import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from limpet_supervisor import __version__
from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.masking import masked_text
from limpet_supervisor.model.spec import OTLP, NodeSpec

from .post import Place

KEY: Final = "otlp"
"""Of the node's remark on its pushes, and of the wish for vitals for them."""
_LOCAL: Final = "http://localhost:4318"
_PATH: Final = "v1/metrics"
_INTERVAL: Final = 60.0
_TIMEOUT: Final = 10.0
_OTEL: Final = "OTEL_EXPORTER_OTLP_"
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VISIBLE: Final = r"[!-~](?:[ \t!-~]*[!-~])?"


class Target(NamedTuple):
    """All that a push needs."""

    place: Place
    headers: tuple[tuple[str, str], ...]
    """Secrets."""
    interval: float
    timeout: float
    gzip: bool
    resource: dict[str, str]
    shown: str
    """The URL, without secrets."""


def is_on(spec: NodeSpec, environ: Mapping[str, str]) -> bool:
    """Whether the node shall push."""
    said = environ.get(OTLP) or spec.otlp.endpoint
    return bool(said) and said.lower() not in ("off", "none")


def target(spec: NodeSpec, environ: Mapping[str, str], directory: str) -> Target | None:
    """Where to, and how; None: nowhere.

    Args:
        spec: the node.
        environ: its variables.
        directory: where the node lives: of two of one name on a host it tells which is which.

    Raises:
        ConfigError: what the variables say cannot be used; `problems` has all the reasons.
    """
    if not is_on(spec, environ):
        return None
    asked = _Asked(environ)
    said = environ.get(OTLP) or spec.otlp.endpoint
    name, url = _url(said, environ)
    own = spec.otlp
    place, authorization, shown = asked.place(name, url)
    place = place._replace(
        certificate=_file(spec, own.certificate or asked.text("CERTIFICATE")),
        client_certificate=_file(spec, own.client_certificate or asked.text("CLIENT_CERTIFICATE")),
        client_key=_file(spec, own.client_key or asked.text("CLIENT_KEY")),
    )
    headers = {key.lower(): value for key, value in (own.headers or asked.headers()).items()}
    if authorization:
        headers.setdefault("authorization", authorization)
    interval = own.interval or asked.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", _INTERVAL)
    timeout = own.timeout or asked.milliseconds(asked.name("TIMEOUT"), _TIMEOUT)
    compression = own.compression or asked.compression()
    resource = {
        **_of_itself(spec, environ, directory),
        **asked.pairs("OTEL_RESOURCE_ATTRIBUTES"),
    }
    if called := environ.get("OTEL_SERVICE_NAME", ""):
        resource["service.name"] = called
    resource.update(own.resource)
    if name.startswith("OTEL_") and environ.get(asked.name("PROTOCOL"), "").startswith("grpc"):
        asked.problems.append(
            f"{asked.name('PROTOCOL')} is grpc, and the node speaks http/protobuf: "
            f"say where in {OTLP} or in [otlp] endpoint, usually port 4318"
        )
    if asked.problems:
        raise ConfigError(
            f"The metrics of {spec.name} cannot be pushed",
            "the variables say what cannot be used",
            problems=tuple(asked.problems),
        )
    return Target(
        place, tuple(headers.items()), float(interval), float(timeout), compression == "gzip", resource, shown
    )


def _url(said: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Who says where to, and the whole URL."""
    if said.lower() != "on":
        base = said.rstrip("/")
        whole = base if base.endswith(f"/{_PATH}") else f"{base}/{_PATH}"
        return OTLP if environ.get(OTLP) else "[otlp] endpoint", whole
    if special := environ.get(f"{_OTEL}METRICS_ENDPOINT"):
        return f"{_OTEL}METRICS_ENDPOINT", special  # as it is, says the specification
    base = environ.get(f"{_OTEL}ENDPOINT") or _LOCAL
    return f"{_OTEL}ENDPOINT", f"{base.rstrip('/')}/{_PATH}"


class _Asked:
    """What the variables say, and what is wrong with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[str] = []
        self._environ = environ

    def name(self, what: str) -> str:
        """The variable for metrics if it is set, else the one for all."""
        special = f"{_OTEL}METRICS_{what}"
        return special if self._environ.get(special) else f"{_OTEL}{what}"

    def text(self, what: str) -> str:
        """What it says."""
        return self._environ.get(self.name(what), "")

    def place(self, name: str, url: str) -> tuple[Place, str, str]:
        """Where the URL leads, what its user and password are as a header, and how it may be shown."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch("[!-~]+", url):
            self.problems.append(
                f"{name}: expected http://host:port or https://host, found {masked_text(url)}"
            )
            return Place(secure=False, host="", port=0, path="/"), "", ""
        secure = parts.scheme == "https"
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        place = Place(secure, parts.hostname, port or (443 if secure else 80), path)
        netloc = parts.netloc.rpartition("@")[2]
        return place, authorization, f"{parts.scheme}://{netloc}{parts.path or '/'}"

    def headers(self) -> dict[str, str]:
        """The headers; a value never appears in a message."""
        name = self.name("HEADERS")
        found = self.pairs(name)
        for key, value in found.items():
            if not re.fullmatch(_NAME, key) or not re.fullmatch(_VISIBLE, value):
                self.problems.append(f"{name}: a header that is none: {key[:40]!r}")
        return found

    def pairs(self, name: str) -> dict[str, str]:
        """`key=value,key=value`, the values percent-encoded, as W3C's baggage has it."""
        found = {}
        for item in self._environ.get(name, "").split(","):
            key, equals, value = item.partition("=")
            if equals and key.strip():
                found[unquote(key.strip())] = unquote(value.strip())
            elif item.strip():
                self.problems.append(f"{name}: expected key=value,key=value")
        return found

    def milliseconds(self, name: str, usual: float) -> float:
        """Seconds of a variable in milliseconds."""
        text = self._environ.get(name, "")
        if not text:
            return usual
        if not re.fullmatch(r"[0-9]{1,12}", text) or not int(text):
            self.problems.append(f"{name}: expected milliseconds above 0, found {text[:40]!r}")
            return usual
        return int(text) / 1000

    def compression(self) -> str:
        """How the body is packed."""
        name = self.name("COMPRESSION")
        text = self._environ.get(name) or "gzip"
        if text not in ("gzip", "none"):
            self.problems.append(f"{name}: expected gzip or none, found {text[:40]!r}")
        return text


def _of_itself(spec: NodeSpec, environ: Mapping[str, str], directory: str) -> dict[str, str]:
    """The attributes that the node has of itself (the semantic conventions' `service` and `host`)."""
    name = environ.get("RELEASE_NODE", "").partition("@")[0] or spec.name
    host = socket.gethostname()
    return {
        "service.name": name,
        "service.version": spec.version,
        "service.instance.id": _identity(f"{host}/{directory}/{name}"),
        "host.name": host,
        "telemetry.distro.name": "limpet",
        "telemetry.distro.version": __version__,
    }


def _identity(text: str) -> str:
    """A UUID, the same for the same text; not of version 5, whose hash costs 3.6 MB of OpenSSL."""
    return str(uuid.UUID(int=random.Random(text).getrandbits(128), version=4))


def _file(spec: NodeSpec, path: str) -> str:
    return os.path.join(spec.directory, path) if path else ""
