"""What crosses a process boundary, and nothing else: golden frames in tests/contract bind every shape.

messages  of the control socket, under one name: requests, and replies with the items of their streams
codec     control frames <-> messages (MessagePack), with size caps
agent     frames between the daemon and the agents inside the application's processes (JSON)
"""
