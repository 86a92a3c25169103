"""Limpet inside the application's process: standard library only.

config      values of config/runtime.py: `from limpet import config; config.get("bookshop", "repo")`
log         structured logs from the standard logging: `from limpet import log; log.setup()`
telemetry   events, spans, metrics: `from limpet import telemetry; telemetry.execute(…)`
health      checks of what it depends on: `@health.check("database", every="5s")`
environment env(); values what they may be; origins where each comes from; providers more from elsewhere
runtime_config, entry_check   what a boot and a check run
agent       stage 0: what every supervised Python process carries
inject      how stage 0 gets into a process: a sitecustomize module for PYTHONPATH
stage1      evaluation and inspection: sent by the daemon as source, never imported from here by the agent
fresh       `python -m limpet.fresh eval EXPR` and `run module:function`, in a process of their own
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` alone would cost every process five milliseconds
    from types import ModuleType


def __getattr__(name: str) -> "ModuleType":
    """`limpet.config` after a bare `import limpet`; nothing is imported before it is asked for."""
    if name not in ("config", "health", "log", "telemetry"):
        raise AttributeError(f"module 'limpet' has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"limpet.{name}")
