"""Views: the screen as lines of styled text, from the state alone.

frame       lines, and what a click on them means
cells       values as people read them
chart       values over time, as blocks
table       a table's heading and the rows that are seen
system      the System page
pages       all other pages
screen      the whole screen
styles      what the styles' names look like on a terminal
"""
