"""Evaluated in a process when a console attaches to it: names worth having at hand (IEx's .iex.exs)."""

import sys

if "bookshop.web" in sys.modules:
    from bookshop.web import app
if "bookshop.worker" in sys.modules:
    from bookshop.worker import worker
