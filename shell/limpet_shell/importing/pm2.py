"""ecosystem.json -> Imported, with the defaults of PM2 7."""

import json
import os
import re
import shlex
from typing import Any, Final

from limpet_shell.importing.model import Given, Imported, Source, duration, literal, release_name
from limpet_shell.importing.tables.pm2 import APP, ECOSYSTEM
from limpet_supervisor.errors import LimpetError

_INTERPRETERS: Final = {
    ".js": "node", ".mjs": "node", ".cjs": "node", ".ts": "bun", ".tsx": "bun",
    ".py": "python3", ".rb": "ruby", ".php": "php", ".pl": "perl", ".sh": "bash",
}  # fmt: skip
_SIZE: Final = {"G": "GiB", "M": "MiB", "K": "KiB", "": ""}
_TIME: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 0.001}
HOW_TO_GET_JSON: Final = "node -p 'JSON.stringify(require(\"./ecosystem.config.js\"))' > ecosystem.json"


def parse(source: Source) -> Imported:
    """The configuration in an ecosystem.json.

    Raises:
        LimpetError: it is none; or it is JavaScript, which nothing here evaluates.
    """
    if source.path.endswith((".js", ".cjs", ".mjs")):
        raise LimpetError(f"{source.path} is JavaScript", "it is not evaluated here", HOW_TO_GET_JSON)
    imported = Imported(release_name(source.directory.rpartition("/")[2]))
    try:
        document = json.loads(source.text)
    except ValueError as error:
        raise LimpetError(f"{source.path} is no JSON", str(error), HOW_TO_GET_JSON) from None
    if isinstance(document, dict) and "apps" in document:
        Given(imported, source.path, ECOSYSTEM, document)
        document = document["apps"]
    apps = document if isinstance(document, list) else [document]
    for number, app in enumerate(apps):
        if not isinstance(app, dict) or not (app.get("script") or app.get("exec")):
            raise LimpetError(f"{source.path}: apps[{number}] has no script")
        name = str(app.get("name") or os.path.splitext(os.path.basename(app.get("script") or app["exec"]))[0])
        _App(imported, Given(imported, f'app "{name}"', APP, app), name).add()
    imported.keep_isolated()
    return imported


class _App:
    """One app."""

    def __init__(self, imported: Imported, given: Given, name: str) -> None:
        self.imported = imported
        self.given = given
        self.name = name

    def add(self) -> None:
        """Adds its process; or one for each instance, if a variable counts them."""
        given = self.given
        count = given.get("instances", 1)
        if str(count) == "max" or int(given.number("instances", 1) if str(count) != "max" else 0) <= 0:
            given.note("instances", "processors are not counted: INSTANCES says how many")
            count = "${INSTANCES:-1}"
        counted = given.text("increment_var")
        if counted and isinstance(count, int) and count > 1:
            env = given.get("env", {})
            first = int(env.get(counted, 0)) if isinstance(env, dict) else 0
            given.note("increment_var", f"{counted} counts them: a process for each")
            for number in range(count):
                self.imported.add(
                    f"{self.name}-{number}", given.place, self.keys(1, {counted: str(first + number)})
                )
            return
        if count != 1:
            given.note("instance_var", "instances know their number by LIMPET_INSTANCE, from 1")
        self.imported.add(self.name, given.place, self.keys(count, {}))

    def keys(self, instances: int | str, more: dict[str, str]) -> dict[str, Any]:
        """The process's keys."""
        given = self.given
        env = given.get("env", {})
        if not isinstance(env, dict):
            raise LimpetError(f"{given.place}: env is {env!r}", "an object is expected")
        port = {"PORT": given.text("port")} if given.get("port") else {}
        codes = given.get("stop_exit_codes", [])
        codes = codes if isinstance(codes, list) else [codes]
        restart = "transient" if codes else ""
        if not given.flag("autorestart", default=True):
            restart = "temporary"
        return {
            "command": self.command(),
            "instances": (instances if instances != 1 else "")
            if given.flag("autostart", default=True)
            else 0,
            "restart": restart,
            "success_exit_codes": [int(code) for code in codes],
            "stop_signal": "INT",
            "shutdown": duration(_milliseconds(given.get("kill_timeout", 1600), given.place) / 1000),
            "env": {key: _plain(value) for key, value in {**env, **port, **more}.items()},
            "cwd": literal(given.text("cwd")),
            "user": literal(given.text("uid", given.text("user"))),
            "group": literal(given.text("gid")),
            "max_memory": _memory(given.get("max_memory_restart"), given.place),
            "backoff": self.backoff(),
            "log": self.log(),
        }

    def command(self) -> list[str]:
        """What is run: by the interpreter that is given, or the suffix's."""
        given = self.given
        words = _words(given.get("script") or given.get("exec"))
        script, *rest = words
        arguments = [*rest, *_words(given.get("args", []))]
        suffix = os.path.splitext(script)[1]
        interpreter = given.text("interpreter", given.text("exec_interpreter"))
        if interpreter == "none" or (not interpreter and suffix not in _INTERPRETERS):
            return [script, *arguments]
        options = (
            given.get("node_args") or given.get("interpreter_args") or given.get("interpreterArgs") or []
        )
        return [literal(interpreter) or _INTERPRETERS[suffix], *_words(options), script, *arguments]

    def backoff(self) -> dict[str, Any]:
        """Delays: PM2's are milliseconds."""
        given = self.given
        found: dict[str, Any] = {}
        if delay := _milliseconds(given.get("restart_delay", 0), given.place):
            found |= {"base": duration(delay / 1000), "max": duration(delay / 1000), "factor": 1}
        if delay := _milliseconds(given.get("exp_backoff_restart_delay", 0), given.place):
            found |= {"base": duration(delay / 1000), "factor": 2}
        if given.get("min_uptime"):
            found["reset"] = duration(_milliseconds(given.get("min_uptime"), given.place) / 1000)
        return found

    def log(self) -> dict[str, Any]:
        """Where its output goes: both streams to one file."""
        given = self.given
        files = [
            given.get(name)
            for name in ("log_file", "log", "out_file", "out", "output", "out_log")
            if isinstance(given.get(name), str)
        ]
        found: dict[str, Any] = {}
        if given.flag("disable_logs") or files[:1] in (["/dev/null"], ["NULL"], ["null"]):
            return {"file": "none"}
        if files:
            found["file"] = literal(files[0])
        if given.get("log_type") == "json":
            found["format"] = "json"
        elif given.get("log_date_format") or given.flag("time"):
            found["format"] = "prefix"
        return found


def _words(value: Any) -> list[str]:
    words = value if isinstance(value, list) else shlex.split(str(value))
    return [literal(str(word)) for word in words]


def _plain(value: Any) -> str:
    """A value of `env`, as PM2 writes it into the environment."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return literal(value if isinstance(value, str) else json.dumps(value))


def _memory(value: Any, place: str) -> str | int:
    if value is None:
        return ""
    match = re.fullmatch(r"(\d+)([GMK]?)B?", str(value).strip().upper())
    if not match:
        raise LimpetError(f"{place}: max_memory_restart is {value!r}", 'a size such as "200M" is expected')
    return f"{match[1]}{_SIZE[match[2]]}" if match[2] else int(match[1])


def _milliseconds(value: Any, place: str) -> float:
    """A number of milliseconds, or of hours, minutes or seconds with their letter."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hms]?)", str(value).strip())
    if not match:
        raise LimpetError(f"{place}: {value!r} is no time")
    return float(match[1]) * _TIME[match[2]] * 1000
