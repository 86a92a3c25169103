"""The objects that the garbage collector tracks, gone through in slices: no thread waits long for us.

What it does not track is not counted: numbers, text, bytes, and tuples and dicts of nothing but such.
"""

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from .natives import give_way, monotonic
from .render import class_name
from .view import View, duration

SLICE: Final = 2_000
"""Objects gone through before the interpreter's lock is given up."""
LIMIT: Final = 5_000_000
"""Objects above which only `force` lets it be done."""
_STALL: Final = 25e-9
"""Seconds for which one object keeps every thread waiting: gc.get_objects() cannot be interrupted."""


_OURS: Final = "_limpet_stage1."


class TooManyError(Exception):
    """The heap is so large that listing it would stop the process for a while."""


def estimate() -> int:
    """About how many objects are tracked: of the blocks of memory, half hold one. 0 if that is not known."""
    return sys.getallocatedblocks() // 2


def slices(*, force: bool) -> Iterator[list[Any]]:
    """All tracked objects, SLICE at a time.

    Raises:
        TooManyError: there are more than LIMIT, and nobody forces it.
    """
    count = estimate()
    if count > LIMIT and not force:
        stall = duration(count * _STALL)
        raise TooManyError(
            f"about {count:,} objects: listing them would stop every thread for about {stall} and take "
            f"{count * 8 >> 20:,} MiB meanwhile; with force=True it is done"
        )
    objects = gc.get_objects()
    objects.reverse()  # the oldest come first, and a list is cut cheaply at its end
    try:
        while objects:
            part = objects[: -SLICE - 1 : -1]
            # A long list is not freed in one go either.
            del objects[-SLICE:]
            yield part
            part = []
            give_way()
    finally:
        while objects:
            del objects[-SLICE:]


class Counts:
    """How many objects of each class there are."""

    def __init__(self, *, force: bool = False) -> None:
        self.of: Counter[int] = Counter()
        self.classes: dict[int, type] = {}
        """By identity: a metaclass may hash and compare as it likes."""
        began = monotonic()
        for part in slices(force=force):
            found = Counter(map(id, map(type, part)))
            self.of.update(found)
            if unknown := found.keys() - self.classes.keys():
                self.classes.update((id(type(one)), type(one)) for one in part if id(type(one)) in unknown)
        self.took = monotonic() - began

    def name(self, key: int) -> str:
        """The class's name, with its module."""
        return full_name(self.classes[key])


def types(n: int = 20, filter: str = "", force: bool = False) -> View:  # noqa: A002 - the word that one would type
    """How many objects of each type there are, the most first.

    Args:
        n: rows at the most.
        filter: only types with this text in their name.
        force: also if there are so many that it stops the process for a while.
    """
    counts = Counts(force=force)
    total = counts.of.total()
    rows = [
        {"type": name, "count": count, "percent": 100 * count / total}
        for key, count in counts.of.most_common()
        if filter in (name := counts.name(key)) and not name.startswith(_OURS)
    ]
    notes = [f"{total:,} objects that the collector tracks, counted in {duration(counts.took)}"]
    if frozen := gc.get_freeze_count():
        notes.append(f"{frozen:,} frozen ones are not among them")
    if len(rows) > n:
        notes.insert(0, f"{len(rows) - n:,} more types")
    return View("types", rows[:n], units={"percent": "percent"}, notes=notes, empty="no such types")


def differences(before: Counts, after: Counts, n: int) -> tuple[list[dict[str, Any]], int]:
    """Rows of the types of which there are more afterwards; how many there are less of."""
    rows: list[dict[str, Any]] = []
    fewer = 0
    for key, count in after.of.items():
        grown = count - before.of.get(key, 0)
        if grown > 0 and not after.name(key).startswith(_OURS):
            rows.append({"type": after.name(key), "grown": grown, "count": count})
        fewer += grown < 0
    rows.sort(key=lambda row: (-row["grown"], row["type"]))
    return rows[:n], fewer


def instances_of(*classes: type, force: bool = False) -> list[Any]:
    """The tracked objects of these classes and of those that inherit from them."""
    wanted = {id(cls) for cls in with_subclasses(*classes)}
    found = []
    for part in slices(force=force):
        if not wanted.isdisjoint(map(id, map(type, part))):
            found += [thing for thing in part if id(type(thing)) in wanted]
    return found


def with_subclasses(*classes: type) -> list[type]:
    """The classes and all that inherit from them."""
    found: dict[int, type] = {}
    pending = list(classes)
    while pending:
        cls = pending.pop()
        if id(cls) not in found:
            found[id(cls)] = cls
            # Of `type` itself: a metaclass may have a method of that name.
            pending += type.__subclasses__(cls)
    return list(found.values())


def full_name(cls: type) -> str:
    """`bookshop.models.Book`, without asking the class's own metaclass."""
    module = type.__dict__["__module__"].__get__(cls)
    name = class_name(cls)
    return name if type(module) is not str or module == "builtins" else f"{module}.{name}"


def gc_stats() -> View:
    """The collector: per generation what waits, when it is collected, how often it was, and what it found."""
    counts = gc.get_count()
    thresholds = gc.get_threshold()
    rows = [
        {
            "generation": generation,
            "count": counts[generation],
            "threshold": thresholds[generation],
            "collections": stats["collections"],
            "collected": stats["collected"],
            "uncollectable": stats["uncollectable"],
        }
        for generation, stats in enumerate(gc.get_stats())
    ]
    notes = [] if gc.isenabled() else ["automatic collection is off"]
    if gc.get_freeze_count():
        notes.append(f"{gc.get_freeze_count():,} objects are frozen")
    if gc.garbage:
        notes.append(f"{len(gc.garbage):,} objects in gc.garbage")
    if gc.callbacks:
        notes.append(f"gc.callbacks: {len(gc.callbacks)}")
    return View("gc_stats", rows, notes=notes)
