"""What is remembered of processes for those who look."""

import os
from types import SimpleNamespace
from typing import Any, cast

from msgspec.structs import replace

from limpet_supervisor.core.state import Tree, plant
from limpet_supervisor.daemon.node import Node
from limpet_supervisor.daemon.observe import Observer
from limpet_supervisor.model.spec import NodeSpec, ProcessSpec, SupervisorSpec


def tree(*names: str) -> Tree:
    """Processes that run: each is this one."""
    processes = tuple(ProcessSpec(name=name, command=("true",)) for name in names)
    planted = plant(
        NodeSpec(name="node", version="1.0.0", root=SupervisorSpec(name="root", processes=processes))
    )
    return replace(
        planted,
        instances={name: replace(each, pid=os.getpid()) for name, each in planted.instances.items()},
    )


def test_figures_of_processes_that_are_removed_are_forgotten() -> None:
    node: Any = SimpleNamespace(tree=tree(), reactor=SimpleNamespace(now=lambda: 1000.0))
    observer = Observer(cast("Node", node))
    for k in range(50):
        node.tree = tree("web", f"job-{k}")
        observer._sample(node.tree.in_order())
    assert len(observer._samples) <= 3
