"""The observer: a full-screen view of a node that runs.

state       what is known, and where the user is in it: no terminal, no node
views       the screen as lines of styled text, from the state alone
link        asks the node for what the page that is seen wants, and connects again
terminal    prompt_toolkit: keys, mouse, the screen
opening     from the command line to the terminal
"""
