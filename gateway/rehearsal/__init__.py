"""A chain without a gateway: what tests of policies, `explain` and replays ask.

- exchange: what is known of an exchange before any policy is asked
- rehearsal: the chain over a folder of policies, a store in memory and a clock that is turned by hand
- answer: what the chain said, entry by entry
"""
