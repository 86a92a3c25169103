"""Looks at one object: h, i, src. Each returns a `Text`, whose repr is what it has to say."""

from textwrap import fill, indent
from typing import Any

from .looks import LOOKS, TOOLS
from .places import lines_of, place_of
from .render import Text, class_name, clip, type_name
from .signatures import signature_of
from .sketch import sketch
from .static import attributes, documentation_of, exactly, is_a, mro


def h(thing: Any = ...) -> Text:
    """Signature and documentation of `thing`; without one, the names of what there is at hand."""
    if thing is ...:
        rows = [("what runs and what it holds", LOOKS), ("about objects, and tools", TOOLS)]
        lines = [
            line for title, names in rows for line in (f"{title}:", indent(fill(" ".join(names), 74), "  "))
        ]
        return Text(
            "\n".join([*lines, "(h(name) says more of any; :help of the console and the node's commands)"])
        )
    documentation = documentation_of(thing) or "no documentation"
    return Text(
        "\n\n".join(part for part in (signature_of(thing) or type_name(thing), documentation) if part)
    )


def i(thing: Any) -> Text:
    """What `thing` is: its value, type, length, place in the source and public names."""
    cls = thing if is_a(thing, type) else type(thing)
    rows = [("value", sketch(thing, 300)), ("type", type_name(thing))]
    if exactly(thing, str, bytes, list, tuple, dict, set, frozenset):
        rows.append(("length", f"{len(thing):,}"))
    rows += [
        ("bases", ", ".join(class_name(base) for base in mro(cls)[1:-1])),
        ("source", place_of(thing)),
        ("address", f"{id(thing):#x}"),
        ("signature", signature_of(thing)),
        ("names", clip(", ".join(sorted(name for name in attributes(thing) if name[0] != "_")), 1000)),
        ("about", clip(documentation_of(thing).partition("\n\n")[0].replace("\n", " "), 400)),
    ]
    return Text("\n".join(f"{name:<11} {text}" for name, text in rows if text))


def src(thing: Any) -> Text:
    """The source of a function, class, method or module, or of the class of anything else."""
    found = lines_of(thing)
    if not found:
        return Text(f"the source of {sketch(thing, 200)} is not there")
    return Text(f"# {place_of(thing)}\n{found.rstrip()}")
