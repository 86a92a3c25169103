"""Supervision as pure functions over frozen values: (state, events, now) -> (state, effects)."""
