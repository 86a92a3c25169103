"""Configurations of other supervisors, imported for tests."""

import textwrap
from pathlib import Path

from limpet_shell.importing import formats, toml
from limpet_shell.importing.model import Imported, Source
from limpet_supervisor.config.load import load
from limpet_supervisor.model.spec import NodeSpec, ProcessSpec, processes


class Import:
    """An imported configuration: what was made of it, as text and as the node reads it."""

    def __init__(self, directory: Path, name: str, written: str, environ: dict[str, str]) -> None:
        source = Source(str(directory / name), textwrap.dedent(written))
        self.imported: Imported = formats.FORMATS[formats.of(source)](source)
        self.toml = toml.text(self.imported, name)
        file = directory / "limpet.toml"
        file.write_text(self.toml)
        self.spec: NodeSpec = load(str(file), environ=environ)

    def process(self, name: str) -> ProcessSpec:
        """A process by its name."""
        return self.processes[name]

    @property
    def processes(self) -> dict[str, ProcessSpec]:
        """The processes, in order."""
        return {process.name: process for process in processes(self.spec.root)}

    def notes(self, option: str) -> list[str]:
        """What was said of an option."""
        return [note.text for note in self.imported.notes if note.option == option]

    @property
    def noted(self) -> set[str]:
        """The options of which anything was said."""
        return {note.option for note in self.imported.notes}
