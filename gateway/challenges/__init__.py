"""Friction that grows with suspicion: how far an account has come, what it is asked for, and what it has passed."""
