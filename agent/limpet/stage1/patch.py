"""`patch`, `undo`, `lingering`: function bodies of a module exchanged while it runs, all of them or none.

After OTP's release_handler and code:check_process_code: what runs goes on with the code that it has begun
with, and a function of which older code still runs is not patched again unless forced.
"""

import __future__

import ast
import contextlib
import importlib.util
import linecache
import marshal
import os
import sys
from collections import deque
from collections.abc import Iterator
from types import (
    AsyncGeneratorType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    ModuleType,
)
from typing import Any, Final, NamedTuple

from limpet import agent as stage0

from .bodies import compared, nested_pairs, same_body
from .bytecode import with_inner
from .frames import outwards, place_of_code
from .heap import slices
from .jobs import current
from .natives import allocate_lock
from .probes import backend
from .targets import live_functions, loaded, names_in
from .view import View

_HEADER: Final = 16
"""Bytes of a .pyc before its code."""
_ANNOTATIONS: Final = __future__.annotations.compiler_flag
_set_code: Final = FunctionType.__dict__["__code__"].__set__
_lock: Final = allocate_lock()


class Patch(NamedTuple):
    """What was exchanged, to be undone."""

    module: str
    source: str
    changed: list[tuple[FunctionType, CodeType, CodeType]]
    """Function, its code before, its code since."""
    added: dict[str, FunctionType]
    file: str
    lines: Any
    """What linecache had of the file."""


class PatchError(Exception):
    """The module is not patched, and nothing of it has changed."""

    __module__ = "builtins"  # so a traceback shows its name alone


class _Plan(NamedTuple):
    """What a patch would do."""

    file: str
    changes: list[tuple[FunctionType, CodeType, CodeType]]
    added: dict[str, ast.stmt]
    refused: list[str]
    flags: int
    """Of `from __future__ import`."""

    def rows(self) -> list[dict[str, Any]]:
        rows: dict[Any, dict[str, Any]] = {}
        for _function, old, new in self.changes:
            change = "moves" if same_body(old, new) else "changes"
            if change == "changes":
                place = place_of_code(new)
                rows[new] = {
                    "function": place.function,
                    "change": change,
                    "at": place.text.rpartition(" ")[2],
                }
        for name, node in self.added.items():
            rows[name] = {"function": name, "change": "new", "at": f"{self.file}:{node.lineno}"}
        for k, why in enumerate(self.refused):
            rows[k] = {"function": "", "change": "refused", "at": why}
        return list(rows.values())


def patches() -> list[Patch]:
    """Those of this process, the oldest first. They stay when the agent gets another stage 1."""
    kept: list[Patch] = vars(stage0).setdefault("patches", [])
    return kept


def patch(
    module: str | ModuleType, source: str = "", *, old: str = "", dry_run: bool = False, force: bool = False
) -> View:
    """Exchanges the bodies of a module's functions for those of a new source, in memory.

    What has begun goes on with the code that it has begun with: `lingering()` shows what does. Everything
    else stays as it is: the module is not executed again, so nothing but function bodies may differ; and new
    functions at its top. Whoever has a reference to a function has the new one.

    Args:
        module: its name, or itself.
        source: the new source, or the path of a file that has it; without, the module's own file as it is.
        old: the source from which it was loaded, or a path, should that not be known any more.
        dry_run: only says what would change, and what is refused and why.
        force: also functions of which code from before an earlier patch is still running.

    Raises:
        PatchError: something else has changed, or it is not known from what the module was loaded.
        SyntaxError: the new source is none.
    """
    done: View = current().shelter(_patch, module, source, old, dry_run, force)
    return done


def _patch(module: str | ModuleType, source: str, old: str, dry_run: bool, force: bool) -> View:
    with _lock:
        found = loaded(module) if isinstance(module, str) else module
        name = str(names_in(found).get("__name__"))
        functions = live_functions(found)
        file = _file(found, functions)
        text = _text(source) if source else _read(file)
        plan = _planned(name, functions, file, text, _text(old) if old else "", force=force)
        rows = plan.rows()
        moved = len({id(new) for _, before, new in plan.changes if same_body(before, new)})
        notes = [f"{moved} more functions have only moved"] if moved and rows else []
        if dry_run:
            return View("patch", rows, notes=notes, empty="nothing would change")
        if plan.refused:
            raise PatchError(f"{name} is not patched: {'; '.join(plan.refused)}")
        if not rows:
            return View("patch", rows, empty="nothing has changed")
        _apply(found, name, text, plan)
        left = len(_lingering(name))
        notes.append(
            f"{left} run the code from before: lingering()" if left else "nothing runs the code from before"
        )
        words = {"changes": "changed", "new": "new"}
        return View("patch", [{**row, "change": words[row["change"]]} for row in rows], notes=notes)


def check_patch(module: str | ModuleType, source: str = "", *, old: str = "", force: bool = False) -> View:
    """What `patch` would do; raises if it would refuse, and changes nothing.

    Raises:
        PatchError: it would.
        SyntaxError: the new source is none.
    """
    found: View = patch(module, source, old=old, dry_run=True, force=force)
    refused = [row["at"] for row in found if row["change"] == "refused"]
    if refused:
        raise PatchError(f"{module} is not to be patched: {'; '.join(refused)}")
    return found


def undo(module: str | ModuleType = "") -> View:
    """Takes back the last patch, or the last one of a module.

    Raises:
        PatchError: there is none, or one of its functions is traced.
    """
    name = module if isinstance(module, str) else str(names_in(module).get("__name__"))
    done: View = current().shelter(_undo, name)
    return done


def lingering(module: str = "") -> View:
    """What still runs code that was exchanged: in threads, coroutines and generators."""
    return View("lingering", _lingering(module), empty="nothing runs code that was exchanged")


def _undo(name: str) -> View:
    with _lock:
        last = next((each for each in reversed(patches()) if name in ("", each.module)), None)
        if last is None:
            raise PatchError(f"{name} is not patched" if name else "no module is patched")
        _refuse_probed([function for function, _, _ in last.changed])
        back = [(function, before) for function, before, since in last.changed if function.__code__ is since]
        _exchange([function for function, _ in back], [before for _, before in back])
        names = names_in(sys.modules[last.module])
        for added, function in last.added.items():
            if names.get(added) is function:
                del names[added]
        patches().remove(last)
        if last.lines is None:
            linecache.cache.pop(last.file, None)
        else:
            linecache.cache[last.file] = last.lines
        rows = {before: {"function": before.co_qualname, "change": "undone"} for _, before in back}
        return View("undo", list(rows.values()), notes=[f"{last.module} is as before its last patch"])


# --- planning ----------------------------------------------------------------------------------------------


def _planned(
    name: str, functions: list[FunctionType], file: str, text: str, old: str, *, force: bool
) -> _Plan:
    before, known = _loaded_from(name, functions, file, old)
    bodies = compared(before, text, file)
    refused = list(bodies.refused)
    pairs: dict[CodeType, CodeType] = {}
    for code, new in nested_pairs(bodies.pairs):
        if pairs.setdefault(code, new) != new:
            refused.append(
                f"line {code.co_firstlineno} has several functions alike: which is which is not known"
            )
    changes = []
    for function in functions:
        code = backend().code_of(function)
        found = pairs.get(known.get(code, code))
        if found is not None and (code != found or not _same_lines(code, found)):
            changes.append((function, code, found))
    names = names_in(sys.modules[name])
    refused += [
        f"{each} is new, and the module has something of that name" for each in bodies.added if each in names
    ]
    try:
        _refuse_probed([function for function, _, _ in changes])
    except PatchError as error:
        refused.append(str(error))
    if not force:
        olds = {row["function"] for row in _lingering(name)}
        again = sorted({code.co_qualname for _, code, new in changes if not same_body(code, new)} & olds)
        refused += [f"{each}: older code of it still runs (lingering()); force=True patches it all the same"
                    for each in again]  # fmt: skip
    return _Plan(file, changes, bodies.added, refused, before.co_flags & _ANNOTATIONS)


def _loaded_from(
    name: str, functions: list[FunctionType], file: str, old: str
) -> tuple[CodeType, dict[CodeType, CodeType]]:
    """The module's code as it was loaded or last patched, and which of its functions each live code is.

    Raises:
        PatchError: it is not known any more.
    """
    probing = backend()
    live = [probing.code_of(each) for each in functions]
    # A function that still runs with code from before a patch makes closures with it.
    before = {code for each in patches() for _, old_code, _ in each.changed for code in with_inner(old_code)}
    for candidate in _candidates(name, file, old):
        codes = {code: code for code in _functions_in(candidate)}
        names = {code.co_qualname for code in codes}
        if all(code in codes for code in live if code.co_qualname in names and code not in before):
            return candidate, codes
    raise PatchError(
        f"{name} is not patched: its source has changed since it was loaded, and is not known any more as it "
        "was; say patch(…, old=FILE) with the source from before"
    )


def _candidates(name: str, file: str, old: str) -> Iterator[CodeType]:
    """Codes of the module that may be the one that was loaded: as told, last patched, cached, in its file."""
    texts = [old] if old else [each.source for each in reversed(patches()) if each.module == name][:1]
    for text in texts:
        yield compile(text, file, "exec", dont_inherit=True)
    if old:
        return
    cached = names_in(sys.modules[name]).get("__cached__") or importlib.util.cache_from_source(file)
    try:
        with open(cached, "rb") as stream:
            data = stream.read()
        if data[:4] == importlib.util.MAGIC_NUMBER:
            code = marshal.loads(data[_HEADER:])  # noqa: S302 - what import would load
            yield _renamed(code, file)
    except (OSError, ValueError, EOFError, TypeError):
        pass
    lines = linecache.cache.get(file)
    remembered = ["".join(lines[2])] if lines is not None and len(lines) == 4 else []
    with contextlib.suppress(PatchError):
        remembered.append(_read(file))
    for text in remembered:
        try:
            yield compile(text, file, "exec", dont_inherit=True)
        except SyntaxError:
            continue


def _functions_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield constant
            yield from _functions_in(constant)


def _renamed(code: CodeType, file: str) -> CodeType:
    """The code as import gives it the file's name."""
    constants = tuple(_renamed(each, file) if type(each) is CodeType else each for each in code.co_consts)
    return code.replace(co_filename=file, co_consts=constants)


def _same_lines(code: CodeType, new: CodeType) -> bool:
    return list(code.co_lines()) == list(new.co_lines())


def _refuse_probed(functions: list[FunctionType]) -> None:
    probing = backend()
    probed = sorted({each.__code__.co_qualname for each in functions if probing.is_probed(each)})
    if probed:
        raise PatchError(f"{', '.join(probed)}: a trace or snapshot is set there; end it first")


def _file(module: ModuleType, functions: list[FunctionType]) -> str:
    """The module's file, as its code calls it."""
    names = names_in(module)
    for function in functions:
        if function.__module__ == names.get("__name__"):
            return function.__code__.co_filename
    return str(names.get("__file__"))


def _text(source: str) -> str:
    """A source, or that in the file of that name."""
    return _read(source) if "\n" not in source and os.path.exists(source) else source


def _read(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            return importlib.util.decode_source(stream.read())
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise PatchError(f"{file} cannot be read: {error}; say patch(…, source=…)") from error


# --- doing it ----------------------------------------------------------------------------------------------


def _apply(module: ModuleType, name: str, text: str, plan: _Plan) -> None:
    names = names_in(module)
    added: dict[str, FunctionType] = {}
    scratch: dict[str, Any] = {}
    for each, node in plan.added.items():
        # Its defaults are evaluated by this, in the module's names; if that raises, nothing has changed yet.
        code = compile(ast.Module([node], []), plan.file, "exec", plan.flags, dont_inherit=True)
        holder = dict(names)
        exec(code, holder)  # noqa: S102 - what the patch is for
        made: FunctionType = holder[each]
        function = FunctionType(made.__code__, names, each, made.__defaults__, made.__closure__)
        function.__kwdefaults__ = made.__kwdefaults__
        function.__annotations__ = made.__annotations__
        function.__doc__ = made.__doc__
        function.__module__ = name
        scratch[each] = added[each] = function
    lines = linecache.cache.get(plan.file)
    names.update(scratch)
    _exchange([function for function, _, _ in plan.changes], [new for _, _, new in plan.changes])
    linecache.cache.pop(plan.file, None)
    if not os.path.exists(plan.file) or _read(plan.file) != text:
        linecache.cache[plan.file] = (len(text), None, text.splitlines(keepends=True), plan.file)
    patches().append(Patch(name, text, plan.changes, added, plan.file, lines))


def _exchange(functions: list[FunctionType], codes: list[CodeType]) -> None:
    """Gives each function its code. Guarantee: no other thread runs meanwhile, so it sees all or nothing.

    The loop is one in C: the interpreter gives its lock up between instructions of Python's only.
    """
    deque(map(_set_code, functions, codes), maxlen=0)


def _lingering(module: str) -> list[dict[str, Any]]:
    """Frames that run code which was exchanged."""
    replaced = {
        id(before): before
        for each in patches()
        if module in ("", each.module)
        for function, before, _ in each.changed
        if function.__code__ is not before
    }
    if not replaced:
        return []
    rows = []
    for ident, innermost in sys._current_frames().items():  # noqa: SLF001 - the documented way
        rows += [
            _row(f"thread {ident:#x}", frame) for frame in outwards(innermost) if id(frame.f_code) in replaced
        ]
    for part in slices(force=True):
        for each in part:
            if type(each) is CoroutineType:
                frame: FrameType | None = each.cr_frame
            elif type(each) is GeneratorType:
                frame = each.gi_frame
            elif type(each) is AsyncGeneratorType:
                frame = each.ag_frame
            else:
                continue
            if frame is not None and id(frame.f_code) in replaced and frame.f_back is None:
                rows.append(_row(type(each).__name__.replace("_", " "), frame))
    return rows


def _row(runner: str, frame: FrameType) -> dict[str, Any]:
    return {"function": frame.f_code.co_qualname, "in": runner, "line": frame.f_lineno}
