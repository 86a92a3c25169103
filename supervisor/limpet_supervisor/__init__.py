"""The Limpet supervisor: its daemon and the library that the daemon is made of.

Map, from the top; imports point down only (checked by import-linter):

    daemon | release  wiring: the one loop, control handlers, boot, main | building releases, pruning them
    runtime           effects on Linux: spawn, pidfd, FIFOs, probes, notify, agents, durable state
    core | client     policy as pure functions (state, event, now) -> (state, effects) | the public client
    config | wire     TOML -> model, with good errors | control protocol and agent frames
    model             frozen structs and enums: the only definition of each option; no I/O, no clock
    errors            one tree of errors, each with its exit code

`limpet_shell` (what a person sees) stands on client and wire; `limpet` (the agent, inside the
application's processes) shares nothing with us but the frames of `wire.agent`.
"""

__version__ = "0.1.0"
