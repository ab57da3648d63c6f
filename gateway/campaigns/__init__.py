"""Campaigns: many accounts that act as one. What the data plane, the detector and the rules say to each other of them.

Pure values: `event` (what is observed of an exchange), `facts` (what is known of an account), `verdict` (what follows
for an account), `ruling` (what a person said of it).
"""
