"""Wiring: the one loop, what happens turned into events for the core, its effects executed, control answered."""
