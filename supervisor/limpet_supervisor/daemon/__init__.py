"""Wiring: what happens becomes events for the core, its effects are executed, control is answered."""
