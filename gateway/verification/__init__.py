"""Verification of account owners: providers, what they tell us, and what follows for an account."""
