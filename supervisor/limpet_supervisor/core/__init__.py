"""Supervision as pure functions over frozen values: (state, events, now) -> (state, effects).

    state      what the policy knows: the tree of supervisors and instances
    events     what can happen
    effects    what can be done about it
    intensity  OTP's sliding window of restarts
    backoff    the delay before a restart
    tree       `step`: the whole policy

Time is monotonic seconds and is passed in; chance is passed in with the event that needs it.
"""
