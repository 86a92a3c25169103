"""TOML -> model, with errors that say file, key path, what was found and what is wanted.

names       which file, which release, its name and version: all that most clients need (no msgspec)
python      the application's interpreter, and versions of what is installed for it
load        the whole: a file and a release -> NodeSpec, every problem at once
read        a TOML table -> a struct, led by the struct's own fields
forms       the few fields whose TOML is not their struct's: commands, checks, signals, limits
rules       what must hold between fields and between processes
variables   ${NAME}, ${NAME:-default}, ${sockets.NAME} and env files
wording     how messages name places and values, and guess what was meant
lines       the line number of each key, for messages

Import what you need from its module: clients start often and take names alone.
"""
