"""What crosses a process boundary, and nothing else: golden frames in tests/contract bind every shape.

messages  requests, replies and stream items of the control socket
codec     control frames <-> messages (MessagePack), with size caps
agent     frames between the daemon and the agents inside the application's processes (JSON)
"""
