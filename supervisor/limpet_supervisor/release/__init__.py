"""Building releases and putting them in place: what `limpet release` does.

value         Release: what is built, passed from step to step
build         the steps in a fresh directory, then everything renamed into its place
assemble      the step `assemble`: the tree of docs/releases.md
archive       the step `tar`: NAME-VSN.tar.gz, the same bytes for the same input
steps         which steps there are, and functions of the project's among them
dependencies  what the application and the supervisor need, by uv or pip
interpreter   the Python that goes in: copied, pruned, made relocatable
elf           what a binary wants of its surroundings, and its search path rewritten
strip         what does not run and is left out
compiled      byte code that depends on no time and no place
scripts       the boot script, its shortcuts, and the commands of the dependencies
configuration releases/VSN: release.toml, and what config/config.py gave at build
document      TOML written
packages      where Limpet's own packages are
manifest      the sha256 of every file, and what differs from it
place         several versions below one root: put there, pruned; the cookie

Nothing here is imported by a running node.
"""

from .value import Release

__all__ = ["Release"]
