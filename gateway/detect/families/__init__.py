"""Families of evidence: each says of a cluster what it comes to by several signals, from counts against everybody else."""
