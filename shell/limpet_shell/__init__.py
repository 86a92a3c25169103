"""Everything a person sees: the command line, the console, the observer.

cli         the verb table and the one place where errors become messages and exit codes
commands    one file per verb
console     the remote shell
output      tables, colour, progress: the only module that prints
"""
