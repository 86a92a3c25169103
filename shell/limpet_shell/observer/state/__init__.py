"""State: plain values that messages of the node and the user's keys change; nothing here draws.

series      values over time
history     what samples of the processes come to
table       rows that are sorted, filtered, selected
page        what all pages are
system      the node, its host, what can run out
processes   all processes, as a table or a tree
detail      all about one process
look        what looks inside a process find
feed        output and events, as they come
health      checks of the application and of the node
metrics     what a scrape has
findings    lints about the running system
acts        commands to the node, each to be confirmed
model       all of it, and where the user is in it
"""
