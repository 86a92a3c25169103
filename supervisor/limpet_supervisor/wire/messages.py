"""The control protocol's messages, one struct each, as msgspec tagged unions.

A client's request is answered by exactly one final reply (`Reply`), after any number of stream items
(`Item`). A stream that is followed (`logs -f`) ends when the client sends `Cancel` with its request's id,
goes away, or the node stops.
"""

from .replies import *  # noqa: F403 - the whole vocabulary, under one name
from .requests import *  # noqa: F403
