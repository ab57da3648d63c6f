"""A stand-in for providers of captchas: their protocols, their codes, their one-time answers, and a box to tick.

world        what it knows: answers that it gave out, and how it was told to behave
protocols    five ways to validate an answer
application  served over HTTP, with a script for each widget
"""
