"""What operators set beside the YAML, live: another limit for some accounts or all, a freeze, everything in shadow.

`override` is the value; `whole` all of them at once, and which one bites; `live` what policies hold, and is swapped.
"""
