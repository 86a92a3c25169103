"""How the agent gets into a process: `sitecustomize.py`, to be found on PYTHONPATH."""
