"""Tidegate: a gateway that decides, for every exchange, whether this account may have this answer now.

Five nouns, and the way they flow:

    Exchange   one request and its answer                        (edge/)
    Context    what is known of it, typed and read-only          (policy.py)
    Policy     a room that answers one question about a Context  (policies/)
    Decision   its answer, a value: allow, challenge, throttle, deny; and what to take
    Store      the shared state from which all is taken or none  (stores/)

    client -> edge -> chain: policy, policy, ... -> store.take -> upstream
    client <- edge <- chain.settle in reverse <- usage read by the dialect

Imports go down only:
app | cli -> edge | control -> rehearsal -> rules -> chain -> policies -> expressions -> stores | accounts | feeds |
history -> dialects | wire -> policy.
"""

__version__ = "0.1.0"
