"""From YAML to a checked ruleset, with every error at once and each at its file, line and column.

- read: bytes -> plain data, and where each value stands
- check: plain data -> a pydantic model
- chain_file, ruleset, accounts_file: the files themselves
"""
