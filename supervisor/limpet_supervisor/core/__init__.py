"""Supervision as pure functions over frozen values: (state, events, now) -> (state, effects).

    state      what the policy knows: the tree of supervisors and instances
    events     what can happen
    effects    what can be done about it
    tree       `step`: the whole policy; below it, in the order of their imports:
    lives      what happens to an instance
    commands   what operators want
    restarts   the restart table, strategies, escalation, auto_shutdown
    stopping   an instance by its shutdown, children in reverse start order
    draft      a tree while a step changes it
    intensity  OTP's sliding window of restarts
    backoff    the delay before a restart

Time is monotonic seconds and is passed in; chance is passed in with the event that needs it.
"""
