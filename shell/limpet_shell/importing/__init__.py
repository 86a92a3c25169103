"""`limpet import`: another supervisor's configuration as a limpet.toml, with what became of each option.

tables/*    per format: each option, its equivalent or why there is none (docs/migrating.md is made of them)
FORMAT.py   reads that format: a Source -> an Imported; pure but for the files that it includes
model.py    what all of them make: processes, sockets, settings, notes
toml.py     an Imported -> the text of a limpet.toml
formats.py  which format a file has
"""
