"""The remote shell: Python goes to a live process, commands that begin with `:` to the node.

model        what the console knows, and what an input is: no terminal, no node
history      inputs on disk, a file a release
opening      the first requests, sent before the rest is imported
link         the connection: attach, evaluate, complete, and attach again after a restart
session      one input after the other: evaluates it, runs its command, shows the answers
everywhere   one input in many processes
settings     what a person has set for all consoles
screen       where answers go: above the prompt, or below the input
highlight    Python and tracebacks in colour (Pygments, loaded when first needed)
prompt       the line editor (prompt_toolkit)
completer    completion: of Python by the process, of commands by their table
keys         the prompt's own keys
toolbar      the line below it: signatures, what the menu has chosen, a command's use
statusbar    the same line else: the process, and how it is
terminal     the console on a terminal
tty          the terminal's mode while an input is worked on
batch        the console in a pipe
foreground   the console in front of a node of its own (start_iex)
"""
