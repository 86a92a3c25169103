"""Limpet inside the application's process: standard library only.

config      values of config/runtime.py: `from limpet import config; config.get("bookshop", "repo")`
agent       stage 0, what every supervised Python process carries
stage1      evaluation, inspection: sent by the supervisor at the first attach
"""
