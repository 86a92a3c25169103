"""The interpreters that applications may have, of those that are on this machine."""

import glob
import os
import sys

import pytest


def interpreters() -> list[object]:
    """Ours, and pyenv's other versions: parameters for a test."""
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    others = sorted(glob.glob(f"{root}/versions/3.1[2-9]*/bin/python"))
    return [
        pytest.param(python, id=python.split("/")[-3] if python in others else "ours")
        for python in (sys.executable, *others)
    ]
