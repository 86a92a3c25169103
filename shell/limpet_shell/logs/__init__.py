"""Lines of logs for a person or a machine: chosen, merged in the order of time, shown.

choice      what is to be shown, from the words of a command
moments     times as people write them, and those that lines begin with
entries     lines -> entries: a traceback is one
loggers     levels of loggers in live processes
view        entries of several processes in order, and as text or JSON
"""
