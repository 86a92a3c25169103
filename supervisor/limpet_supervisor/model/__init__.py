"""Frozen structs and enums: the only definition of each option and of each fact; no I/O, no clock.

units     durations and sizes, as people write them
spec      what shall run: node, supervisors, processes, sockets (OTP's child specs)
status    what is: states, deaths, lifecycle events
"""
