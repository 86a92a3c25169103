"""A release that is being built, as each step gets and returns it."""

import os
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from limpet_supervisor.model.spec import NodeSpec, ReleaseOptions

START_DATA: Final = "releases/start_limpet.data"
"""`RUNTIME_VSN RELEASE_VSN`: what boots by default."""
COOKIE: Final = "releases/COOKIE"


class Interpreter(Struct, frozen=True):
    """A Python that an application runs on."""

    executable: str
    """Path of the binary itself, whatever virtual environment it was asked through."""
    version: str
    """`3.11.7`."""
    prefix: str
    stdlib: str
    """Directory of the standard library."""
    triplet: str
    """Such as `cpython-311-x86_64-linux-gnu`: what compiled modules must be for (SOABI)."""
    machine: str
    """Such as `x86_64`, uname(2)."""
    libpython: str = ""
    """Path of the shared libpython; empty if it is part of the executable."""

    @property
    def minor(self) -> str:
        """`3.11`."""
        return ".".join(self.version.split(".")[:2])


class Release(Struct, frozen=True):
    """What is built. A step of the project's gets one, and returns it, or a changed one (`replace`)."""

    name: str
    version: str
    env: str
    """LIMPET_ENV of the build, `prod` if that is not set."""
    project: str
    """The project's directory."""
    source: str
    """The file that configures it."""
    path: str
    """Where it will be: the root of the release."""
    root: str
    """Where it is assembled: a fresh directory that is renamed to `path` in the end."""
    python: Interpreter
    table: dict[str, Any]
    """What the file says of the release."""
    document: dict[str, Any]
    """The whole file."""
    node: NodeSpec
    """What can be said of the node before it boots."""
    options: ReleaseOptions = ReleaseOptions()
    steps: tuple[Any, ...] = ()
    """The steps that are still to come: names, or functions; a step may change them."""
    limpet: str = ""
    """Version of the supervisor that goes in."""
    overlays: tuple[str, ...] = ()
    """Files and directories at the root that a step has added and the archive shall hold."""
    archive: str = ""
    """Path of the .tar.gz, if there is such a step."""

    def replace(self, **changes: Any) -> "Release":
        """The same with some fields changed."""
        return replace(self, **changes)

    @property
    def bundles(self) -> bool:
        """Whether the interpreter goes in."""
        return self.options.python != "host"

    @property
    def runtime(self) -> str:
        """`runtime-3.11.7`."""
        return f"runtime-{self.python.version}"

    @property
    def supervisor(self) -> str:
        """`limpet-0.1.0`."""
        return f"limpet-{self.limpet}"

    @property
    def application(self) -> str:
        """`lib/bookshop-1.0.0`: the application and its dependencies."""
        return f"lib/{self.name}-{self.version}"

    @property
    def version_path(self) -> str:
        """`releases/1.0.0`."""
        return f"releases/{self.version}"

    @property
    def parts(self) -> tuple[str, ...]:
        """Directories that belong to this version, or to nobody but those with the same of theirs."""
        runtime = (self.runtime,) if self.bundles else ()
        return (*runtime, self.supervisor, self.application, self.version_path)

    def at(self, *parts: str) -> str:
        """A path below the directory in which it is assembled."""
        return os.path.join(self.root, *parts)

    def keeps(self, kind: str) -> bool:
        """Whether `docs`, `tests`, `sources` or `types` stay."""
        strip = self.options.strip
        return not strip or (not isinstance(strip, bool) and kind in strip.keep)
