"""Limits as operators see and steer them: what the rules state, what holds for an account, what is used, overrides.

- rules: the limits of the rules in force, and where an account stands by their ladder
- effective: of one account, each limit with the numbers that hold, what bites and why, and what is in use
- meant: what somebody wants, checked all at once; words: the same for people
- applied: that a change is in force on every worker, as a fact
- limits_api, overrides_api: the operations; api: all of them
"""
