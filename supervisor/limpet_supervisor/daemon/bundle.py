"""Stage 1 of the agent, as the source that is sent to it: always of the daemon's own version."""

import os
from functools import cache
from typing import Final

from limpet_supervisor.wire import agent as wire

from .ground import agent_package

_PACKAGE: Final = "_limpet_stage1"


@cache
def stage1_bundle() -> bytes:
    """The frame with stage 1's modules, in the order in which they are executed."""
    directory = os.path.join(agent_package(), "stage1")
    with open(f"{directory}/ORDER", encoding="ascii") as file:
        order = file.read().split()
    modules = []
    for name in order:
        with open(f"{directory}/{name}.py", encoding="utf-8") as file:
            modules.append((f"{_PACKAGE}.{name}", file.read()))
    return wire.bundle(tuple(modules))
