"""Pages where challenges are passed, on the callers' port under /tidegate/challenge.

pages    what is constructed, and every route
views    how pages are made: templates, fields, what each may load
person   the page itself: shown, answered, passed by a member
program  puzzle and status, as JSON
border   every error in the words of who asked
assets   scripts and styles: by hash, compressed once
back     where a browser may be sent back to
words    what is said of each state
static   our script and style, and the widget of ALTCHA
"""
