"""Conditions that people write: CEL over what is known of an exchange, and over lists.

`Expression` is checked text: it knows what it reads. `expression.bind(lists)` is what decides.
"""
