"""A release of the bookshop built, cold and warm, its size and its boot; beside what others make of the like.

python bench/release.py          needs a package registry: pex and PyInstaller come by uv; mix if it is there

cold: nothing downloaded yet; warm: built once before. boot: from the command to the first answer of /health.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from floor import row, workplace

SHOP = Path(__file__).parents[1] / "examples/bookshop"
BIN = Path(sys.executable).parent
UV = shutil.which("uv") or str(BIN / "uv")
ENTRY = """
import os, uvicorn
from bookshop.web import app
uvicorn.run(app, port=int(os.environ["PORT"]))
"""
EXTRAS = ["-r", "requirements.txt", "."]


def main() -> None:
    with workplace() as directory:
        base = {**os.environ, "UV_CACHE_DIR": str(directory / "cache"), "UV_PYTHON_DOWNLOADS": "never"}
        base["SECRET_KEY_BASE"] = "of the bench"
        base["RELEASE_TMP"] = str(directory / "run")
        base.pop("VIRTUAL_ENV", None)
        project = directory / "bookshop"
        ignored = shutil.ignore_patterns(".venv", "var", "_build", "__pycache__")
        shutil.copytree(SHOP, project, ignore=ignored)
        (project / ".venv").symlink_to(SHOP / ".venv")
        base["DATABASE_URL"] = f"sqlite:///{directory}/shop.db"
        export = [
            UV,
            "export",
            "--quiet",
            "--frozen",
            "--no-hashes",
            "--no-dev",
            "--no-emit-project",
            "-o",
            "requirements.txt",
        ]
        run(export, project, base)
        row("bookshop: s, MB", "cold", "warm", "size", "packed", "boot")
        for name, tool in {"limpet release": limpet, "pex": pex, "PyInstaller": pyinstaller}.items():
            cold, warm = (tool.build(project, base) for _ in range(2))
            paths, command = tool.made(project)
            packed = sum(pack(path, directory) for path in paths[-1:])
            boots = sorted(boot(command, project, base) for _ in range(3))
            row(
                name,
                f"{cold:.1f}",
                f"{warm:.1f}",
                f"{size(paths[-1]):.0f}",
                f"{packed:.0f}",
                f"{boots[1]:.2f}",
            )
        if shutil.which("mix"):
            mix(directory, base)


class limpet:  # noqa: N801 - the name of a tool
    @staticmethod
    def build(project, env):
        return run([BIN / "limpet", "release", "--overwrite", "--quiet"], project, env)

    @staticmethod
    def made(project):
        root = project / "_build/prod/rel/bookshop"
        return [root], [root / "bin/bookshop", "start"]


class pex:  # noqa: N801
    @staticmethod
    def build(project, env):
        run([UV, "tool", "install", "--quiet", "pex"], project, tools(project, env))
        command = [project / "tools/bin/pex", "--python", sys.executable, *EXTRAS, "-c", "uvicorn"]
        return run([*command, "-o", "bookshop.pex"], project, env | {"PEX_ROOT": str(project / "pex-root")})

    @staticmethod
    def made(project):
        return [project / "bookshop.pex"], [project / "bookshop.pex", "bookshop.web:app", "--port", "PORT"]


class pyinstaller:  # noqa: N801
    @staticmethod
    def build(project, env):
        (project / "serve.py").write_text(ENTRY)
        packages = ["--with-requirements", "requirements.txt", "--with", "."]
        run([UV, "tool", "install", "--quiet", *packages, "pyinstaller"], project, tools(project, env))
        command = [project / "tools/bin/pyinstaller", "--noconfirm", "--log-level", "ERROR", "--clean"]
        return run([*command, "--collect-all", "bookshop", "serve.py"], project, env)

    @staticmethod
    def made(project):
        return [project / "dist/serve"], [project / "dist/serve/serve"]


def mix(directory: Path, env: dict[str, str]) -> None:
    """An application without dependencies: hex may be out of reach."""
    run(["mix", "new", "--sup", "shop"], directory, env)
    env = env | {"MIX_ENV": "prod", "LC_ALL": "C.UTF-8"}
    cold, warm = (
        run(["mix", "release", "--quiet", "--overwrite"], directory / "shop", env) for _ in range(2)
    )
    root = directory / "shop/_build/prod/rel/shop"
    env = env | {"RELEASE_DISTRIBUTION": "none"}
    evaluated = sorted(run([root / "bin/shop", "eval", "1"], directory, env) for _ in range(3))
    sizes = (f"{size(root):.0f}", f"{pack(root, directory):.0f}")
    row(
        "mix release, no dependencies (boot: eval)",
        f"{cold:.1f}",
        f"{warm:.1f}",
        *sizes,
        f"{evaluated[1]:.2f}",
    )


def tools(project: Path, env: dict[str, str]) -> dict[str, str]:
    return env | {"UV_TOOL_DIR": str(project / "tools/lib"), "UV_TOOL_BIN_DIR": str(project / "tools/bin")}


def run(command: list, directory: Path, env: dict[str, str]) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), cwd=directory, env=env, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr[-2000:]}")
    return time.perf_counter() - began


def boot(command: list, directory: Path, env: dict[str, str]) -> float:
    """Seconds from the command to the first answer; it is stopped again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = [port if word == "PORT" else str(word) for word in command]
    began = time.perf_counter()
    with subprocess.Popen(
        words, cwd=directory, env=env | {"PORT": port}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5),
            ):
                break
            time.sleep(0.005)
        taken = time.perf_counter() - began
        process.terminate()
    return taken


def size(path: Path) -> float:
    """Megabytes of all files."""
    files = (
        [path]
        if path.is_file()
        else [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    )
    return sum(each.stat().st_size for each in files) / 1e6


def pack(path: Path, directory: Path) -> float:
    """Megabytes as a .tar.gz."""
    target = directory / "packed.tar.gz"
    subprocess.run(["tar", "czf", target, "-C", path.parent, path.name], check=True)
    return target.stat().st_size / 1e6


if __name__ == "__main__":
    main()
